import { expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { ChannelRules } from '../core/access/channel-rules.ts';
import { withSystemRules } from '../core/access/system-rules.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import { Publisher } from '../core/publish.ts';
import { MemoryFleetServer } from '../storage/cluster/memory-fleet.ts';
import { MemoryJournalServer } from '../storage/cluster/memory-journal.ts';
import { openTestHub } from '../storage/contract/cluster/test-hub.ts';
import { memoryHome } from '../storage/memory/memory-home.ts';
import { createMemoryPresenceStore } from '../storage/memory/memory-presence-store.ts';
import { RULE_DEFAULTS } from '../testing/rule-defaults.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { testStorageOptions } from '../testing/test-storage.ts';
import { ClusterPresence } from './cluster-presence.ts';

/** Presence of several hubs in one process. The first one announces. */
const GRACE_MS = 100;
const ROOM = 'room.1';
interface TestHub {
  readonly presence: ClusterPresence;
  readonly warnings: readonly string[];
}

class TestCluster {
  readonly #journal = new MemoryJournalServer();
  readonly #fleet = new MemoryFleetServer();

  async open(self: string): Promise<TestHub> {
    const log = await openTestHub({
      journal: this.#journal.connect(),
      fleet: this.#fleet.connect(self),
      home: memoryHome,
      options: testStorageOptions(temporaryFolder()),
    });
    onTestFinished(() => log.close());
    const clock = { nowMs: Date.now, monotonicMs: () => performance.now() };
    const wheel = new TimingWheel();
    const ticking = setInterval(() => wheel.advance(), 50);
    onTestFinished(() => clearInterval(ticking));
    const publisher = new Publisher(log, new ChannelRules(withSystemRules([]), RULE_DEFAULTS), clock, {
      appendQueueBytesMax: 1e6,
      encode: (text) => Buffer.from(text),
      fingerprint: (text) => text,
      onAppended: () => undefined,
    });
    const settings = {
      graceMs: GRACE_MS,
      pollGraceMs: 60_000,
      listedMax: 10,
      systemEvents: false,
      newChannelsPerSecond: 100,
      newChannelsBurst: 100,
      membersBytesMax: 1e9,
      userMembersBytesMax: 1e9,
      infosBytesMax: 1e9,
    };
    const warnings: string[] = [];
    const logger = { info: () => undefined, warn: (_fields: object, message: string) => void warnings.push(message) };
    const store = createMemoryPresenceStore(log.state.epoch);
    const isTracked = (channel: string): boolean => channel.startsWith('room.');
    const presence = new ClusterPresence({ settings, isTracked, publisher, log, clock, wheel, store, logger }, log);
    await presence.start();
    onTestFinished(() => presence.close());
    return { presence, warnings };
  }
}

const user = (name: string, info?: unknown): Principal => ({ ...ANONYMOUS, kind: 'user', user: name, info });
const inRoom = (name: string, id: string) => ({ id, principal: user(name), channels: [ROOM] });

/** Each member with its `info`, once the hub that announces has answered. */
async function untilMembers(
  { presence }: TestHub,
  expected: Readonly<Record<string, unknown>>,
  room = ROOM,
): Promise<void> {
  const members = async (): Promise<unknown> => {
    const { members: all = [] } = await presence.snapshot(room);
    return Object.fromEntries(all.map(({ user: name, info }) => [name, info]));
  };
  await expect.poll(() => members().catch(String), { timeout: 60_000 }).toEqual(expected);
}

test('a session for which the announcing hub has no room is announced when there is room', async () => {
  const cluster = new TestCluster();
  const [announcing, other] = [await cluster.open('a'), await cluster.open('b')];
  other.presence.opened(inRoom('ann', '1'));
  await untilMembers(other, { ann: undefined });
  announcing.presence.setMembersBytesMax(1);
  other.presence.opened(inRoom('bob', '2'));
  const refusals = (): number => announcing.warnings.filter((each) => each.includes('limit of members')).length;
  await expect.poll(refusals, { timeout: 60_000 }).toBe(1);
  await untilMembers(other, { ann: undefined });
  // It ends before there is room.
  other.presence.opened(inRoom('cleo', '3'));
  other.presence.closed(inRoom('cleo', '3'));
  other.presence.changed({ ...inRoom('ann', '1'), channels: ['room.2'] });
  await untilMembers(other, {});
  announcing.presence.setMembersBytesMax(1e9);
  await untilMembers(other, { bob: undefined });
  await untilMembers(other, { ann: undefined }, 'room.2');
  expect(refusals()).toBe(1);
});

test('a limit that was set before a hub announces holds when it does', async () => {
  const cluster = new TestCluster();
  const [announcing, other] = [await cluster.open('a'), await cluster.open('b')];
  announcing.presence.setMembersBytesMax(1);
  other.presence.opened(inRoom('ann', '1'));
  const refusals = (): number => announcing.warnings.filter((each) => each.includes('limit of members')).length;
  await expect.poll(refusals, { timeout: 60_000 }).toBe(1);
  await untilMembers(other, {});
});

test('a poller whose info has changed is announced with the new one', async () => {
  const cluster = new TestCluster();
  const [, other] = [await cluster.open('a'), await cluster.open('b')];
  other.presence.polled(user('ann', { name: 'Ann' }), [ROOM]);
  await untilMembers(other, { ann: { name: 'Ann' } });
  other.presence.polled(user('ann', { name: 'Ann Lee' }), [ROOM]);
  await untilMembers(other, { ann: { name: 'Ann Lee' } });
});
