import { Seeded } from '../../conformance/kit/seeded.ts';
import { ALL_SCOPES } from '../../packages/server/src/core/access/scopes.ts';
import { ACTOR, HEARING_MAX_MS } from './clients.ts';
import { SimulatedBrokers, type SimulatedBroker } from './simulated-brokers.ts';
import type { Link } from './simulated-connection.ts';
import { SimulatedSnapshots } from './simulated-disk.ts';
import { SimulatedFleets } from './simulated-fleet.ts';
import { SimulatedHub } from './simulated-hub.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Just before the hub would notice its silence. */
const DEAF_MS = 8_500;

/**
 * A hub hears nothing, and returns to a broker that is cut off from the others. This broker has
 * blocks that are new to the hub and older than the revocation of a key. They must not count
 * as news.
 * @throws Error when the hub accepts the key for too long
 */
export async function checkDeafHub(time: VirtualTime, seed: number): Promise<void> {
  const random = new Seeded(seed);
  time.reset(random);
  const brokers = new SimulatedBrokers(random);
  const snapshots = new SimulatedSnapshots(time, random);
  const fleets = new SimulatedFleets(time);
  const world = {
    time,
    random,
    brokers,
    fleets,
    snapshots,
    trace: () => undefined,
    takeBlocks: (take: () => void) => take(),
  };
  const [deaf, other] = [new SimulatedHub('a', world), new SimulatedHub('b', world)];
  const [broker, linkOfDeaf, linkOfOther] = [
    brokers.all[0] as SimulatedBroker,
    deaf.links[0] as Link,
    other.links[0] as Link,
  ];
  const until = async (what: string, isTrue: () => boolean): Promise<void> => {
    if (!(await time.advance(60_000, isTrue))) throw new Error(`a deaf hub: never ${what}`);
  };
  const hears = (): boolean => deaf.open?.store.shared?.isCurrent === true;
  try {
    linkOfOther.isCut = true;
    deaf.start();
    other.start();
    await until('open', () => hears() && other.open !== undefined);
    const options = { name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined };
    let made: { readonly text: string; readonly key: { readonly id: string } } | undefined;
    void other.call(({ identity }) => identity.keyChanges.create(options, () => ACTOR)).then((key) => (made = key));
    await until('a key', () => made !== undefined);
    const { text, key } = made as NonNullable<typeof made>;
    await time.advance(3_000);
    for (const link of deaf.links) link.isDeaf = true;
    const { length } = brokers.history;
    void other.call(({ log }) => log.reachNewest());
    await until('a block that the deaf hub misses', () => brokers.history.length > length && broker.last > length);
    broker.isCutOff = true;
    let isRevoked = false;
    void other.call(({ identity }) => identity.keyChanges.revoke(key.id, () => ACTOR)).then(() => (isRevoked = true));
    await until('revoked', () => isRevoked);
    const revokedMs = time.nowMs;
    await time.advance(DEAF_MS);
    linkOfDeaf.isDeaf = false;
    const isStopped = await time.advance(revokedMs + HEARING_MAX_MS - time.nowMs, () => !hears());
    if (!isStopped) throw new Error(`a deaf hub accepts a key that was revoked ${HEARING_MAX_MS} ms before`);
    broker.isCutOff = false;
    for (const link of deaf.links) link.isDeaf = false;
    await until('heard again', hears);
    let isAccepted: boolean | undefined;
    void deaf
      .call(async ({ identity }) => await identity.keys.identify({ token: text }))
      .then(
        () => (isAccepted = true),
        () => (isAccepted = false),
      );
    await until('an answer', () => isAccepted !== undefined);
    if (isAccepted === true) throw new Error('a deaf hub that hears again accepts the revoked key');
  } finally {
    deaf.kill();
    other.kill();
  }
}
