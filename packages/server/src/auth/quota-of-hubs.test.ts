import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { systemWorld } from '../operate/world.ts';
import type { Fleet } from '../storage/cluster/fleet.ts';
import { MemoryFleetServer } from '../storage/cluster/memory-fleet.ts';
import { otherHubs } from '../storage/cluster/other-hubs.ts';
import { ConnectionQuota, type QuotaCounts } from './connection-quota.ts';
import { QuotaOfHubs } from './quota-of-hubs.ts';
import { Sessions, type Session } from './sessions.ts';

/** The limits of sessions at several hubs in one process. */
const PER_USER_MAX = 9;
const PER_ADDRESS_MAX = 60;
const LIMITS = {
  connectionsPerUserMax: PER_USER_MAX,
  connectionsPerAddressMax: PER_ADDRESS_MAX,
  connectionsPerPublicAddressMax: null,
};
const BEAT = { host: 'machine', version: '1', sequence: 0, hash: 0 };

interface Counts {
  readonly many: QuotaCounts;
  readonly few: QuotaCounts;
}

class TestHub {
  readonly fleet: Fleet;
  readonly quota: ConnectionQuota;
  readonly #sessions = new Sessions(systemWorld.random);
  readonly quotas: QuotaOfHubs;

  constructor(server: MemoryFleetServer, name: string) {
    this.fleet = server.connect(name);
    this.fleet.report(BEAT);
    this.quota = new ConnectionQuota(this.#sessions, LIMITS);
    this.quotas = new QuotaOfHubs(otherHubs(this.fleet, { error: () => undefined }), this.#sessions, this.quota);
    this.quotas.start();
    onTestFinished(() => this.leave());
  }

  async leave(): Promise<void> {
    this.quotas.close();
    await this.fleet.close();
  }

  /** @throws PolycastError `too_many_connections` */
  open(user: string, count = 1, address = '192.0.2.1'): readonly Session[] {
    return Array.from({ length: count }, () => {
      const session = sessionOf({ ...ANONYMOUS, kind: 'user', user }, address);
      this.quota.admit(session.principal, address);
      this.#sessions.add(session);
      return session;
    });
  }

  end(session: Session | undefined): void {
    if (session !== undefined) this.#sessions.remove(session);
  }

  refuses(user: string, address = '192.0.2.1'): boolean {
    try {
      this.quota.admit({ ...ANONYMOUS, kind: 'user', user }, address);
      return false;
    } catch (error) {
      if (error instanceof PolycastError && error.code === 'too_many_connections') return true;
      throw error;
    }
  }
}

function sessionOf(principal: Principal, address: string): Session {
  return {
    transport: 'sse',
    isMomentary: false,
    id: '',
    principal,
    channels: [],
    position: 0,
    sinceMs: 0,
    address,
    registryIndex: -1,
    drain: () => undefined,
    disconnect: () => undefined,
    destroy: () => undefined,
  };
}

function startHubs(server = new MemoryFleetServer()): readonly [TestHub, TestHub, TestHub] {
  return [new TestHub(server, 'one'), new TestHub(server, 'two'), new TestHub(server, 'three')];
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 60_000 }).toBe(true);
}

/** The counts that the hubs tell another one. */
async function countsOf(server: MemoryFleetServer): Promise<readonly Counts[]> {
  const asking = server.connect('asking');
  asking.report(BEAT);
  await until(() => asking.hubs.length > 0);
  const { answers } = await asking.ask(JSON.stringify({ kind: 'session counts' }), 60_000);
  await asking.close();
  return answers.map((answer) => JSON.parse(answer) as Counts);
}

test('a user whom all hubs together have at the limit is refused at each, until a session ends at any', async () => {
  const [one, two, three] = startHubs();
  const hubs = [one, two, three];
  one.open('ann', 5);
  two.open('ann', 3);
  const [last] = three.open('ann');
  // The third hub alone has less than its share.
  for (const hub of hubs) await until(() => hub.refuses('ann'));
  expect(hubs.map((hub) => hub.refuses('bob'))).toEqual([false, false, false]);
  three.end(last);
  for (const hub of hubs) await until(() => !hub.refuses('ann'));
  one.open('ann');
  for (const hub of hubs) await until(() => hub.refuses('ann'));
});

test('an address that all hubs together have at the limit is refused at each', async () => {
  const [one, two, three] = startHubs();
  for (const [index, hub] of [one, two, three].entries())
    for (let count = 0; count < PER_ADDRESS_MAX / 3; count++) hub.open(`user ${index}.${count}`, 1, '2001:db8::1');
  for (const hub of [one, two, three]) await until(() => hub.refuses('new', '2001:db8::2'));
  expect(one.refuses('new', '2001:db8:0:1::1')).toBe(false);
});

test('names that are far from their limit are not told', async () => {
  const server = new MemoryFleetServer();
  const [one, two, three] = startHubs(server);
  for (const hub of [one, two, three]) hub.open('ann', 2);
  one.open('bob', 3);
  two.open('bob');
  const expected = [
    { many: { 'user bob': 3 }, few: {} },
    { many: {}, few: { 'user bob': 1 } },
    { many: {}, few: {} },
  ];
  await until(async () => JSON.stringify(await countsOf(server)) === JSON.stringify(expected));
});

test('a hub that has left, and one that is silent, lose their counts', async () => {
  const [one, two, three] = startHubs();
  const halves = [Math.ceil(PER_USER_MAX / 2), Math.floor(PER_USER_MAX / 2)];
  one.open('ann', halves[0]);
  two.open('ann', halves[1]);
  one.open('bob', halves[0]);
  three.open('bob', halves[1]);
  for (const user of ['ann', 'bob']) for (const hub of [one, two, three]) await until(() => hub.refuses(user));
  await two.leave();
  for (const hub of [one, three]) await until(() => !hub.refuses('ann'));
  await until(() => three.refuses('bob'));
  three.fleet.onAsked(async () => undefined);
  await until(() => !one.refuses('bob'));
  expect(one.fleet.hubs.map(({ hub }) => hub)).toContain(three.fleet.self);
  // It still hears the others.
  await until(() => three.refuses('bob'));
});

test('a hub that drains does not count for the others, to which its clients move', async () => {
  const [one, two] = startHubs();
  one.open('ann', PER_USER_MAX);
  await until(() => two.refuses('ann'));
  one.quotas.drain();
  await until(() => !two.refuses('ann'));
  expect(one.refuses('ann')).toBe(true);
});

test('another limit is in force at all hubs', async () => {
  const [one, two, three] = startHubs();
  for (const hub of [one, two, three]) hub.open('ann');
  for (const hub of [one, two, three]) hub.quota.setLimits({ ...LIMITS, connectionsPerUserMax: 3 });
  for (const hub of [one, two, three]) await until(() => hub.refuses('ann'));
});

test('the names of an answer are bounded by bytes, and there is room again when sessions end', async () => {
  const server = new MemoryFleetServer();
  const one = new TestHub(server, 'one');
  one.quota.setLimits({ ...LIMITS, connectionsPerUserMax: 2, connectionsPerAddressMax: null });
  const users = Array.from({ length: 5_000 }, (_, count) => `${count}`.padStart(128, 'u'));
  const sessions = users.flatMap((user) => one.open(user));
  // A hub alone tells nothing.
  new TestHub(server, 'other');
  const names = async (): Promise<readonly string[]> => Object.keys((await countsOf(server))[0]?.many ?? {});
  await until(async () => (await names()).length > 0);
  const first = await names();
  expect(first.length).toBeLessThan(users.length);
  expect(first.length).toBeGreaterThan(users.length / 2);
  expect(first).not.toContain('user ann');
  one.open('ann');
  for (const session of sessions) one.end(session);
  await until(async () => (await names()).join() === 'user ann');
});
