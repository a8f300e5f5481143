import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import type { SubscriptionStore } from '../../../subscriptions/state/subscription-store.ts';
import type { JournaledLog } from '../../cluster/journaled-log.ts';
import type { ClusterSubscriptions } from '../../cluster/subscriptions/cluster-subscriptions.ts';
import type { Home } from '../../home.ts';
import { HOMES } from '../../homes.ts';
import { ATTEMPT_BOUNDS, type AttemptBounds } from '../../shared/attempt-bounds.ts';
import { encodeSubscriptionCommand, type SubscriptionCommand } from '../../view/subscription-command.ts';
import { CHALLENGES_MIN } from '../../view/subscription-state.ts';
import { deadLetter, open, creationOf, EPOCH } from '../subscriptions/subscription-fixtures.ts';
import { subscriptionStoreContract } from '../subscriptions/subscription-store-contract.ts';
import { MemoryCluster } from './test-hub.ts';

/** The subscriptions of several hubs in one process. */
interface TestHub {
  readonly log: JournaledLog;
  readonly subscriptions: ClusterSubscriptions;
}

class TestCluster extends MemoryCluster {
  #commands = 0;

  async open(
    self: string,
    { home = HOMES['memory'] as Home, bounds = {} as Partial<AttemptBounds>, folder = temporaryFolder() } = {},
  ): Promise<TestHub> {
    const log = await this.openLog(self, { home, options: testStorageOptions(folder) });
    const subscriptions = await log.openSubscriptions({ ...ATTEMPT_BOUNDS, ...bounds });
    onTestFinished(() => subscriptions.store.close());
    return { log, subscriptions };
  }

  /** A command of a hub that is not in this process. */
  async command(command: SubscriptionCommand): Promise<void> {
    const id = `${command.hub}other-${++this.#commands}`;
    await this.journal.connect().append({ id, kind: 'subscriptions', data: encodeSubscriptionCommand(command) });
  }
}

/** The hub takes part, and works when it has the lease. */
async function working({ subscriptions }: TestHub): Promise<SubscriptionStore> {
  const { promise, resolve } = Promise.withResolvers<void>();
  subscriptions.start(resolve);
  await promise;
  await expect.poll(() => subscriptions.isWorking).toBe(true);
  return subscriptions.store;
}

for (const [name, home] of Object.entries(HOMES))
  subscriptionStoreContract(`cluster, ${name} view`, async (bounds) => {
    const cluster = new TestCluster();
    let count = 0;
    return {
      open: async () => {
        // Stores of a test that were not closed have the lease.
        const hub = await cluster.open(`h${count++}`, { home, ...(bounds && { bounds }) });
        return working(hub);
      },
    };
  });

test.each(Object.keys(HOMES))('%s: one hub works; when it gives the lease away, another one goes on', async (name) => {
  const cluster = new TestCluster();
  const home = HOMES[name] as Home;
  const hubs = [
    await cluster.open('a', { home }),
    await cluster.open('b', { home }),
    await cluster.open('c', { home }),
  ];
  const [one, two, three] = hubs as [TestHub, TestHub, TestHub];
  const store = await working(one);
  const begun: string[] = [];
  two.subscriptions.start(() => begun.push('b'));
  three.subscriptions.start(() => begun.push('c'));
  await store.write([...creationOf('sub_a', 3), { kind: 'epoch', epoch: EPOCH }]);
  store.enqueue([open('sub_a', 5), { kind: 'dead_letter', deadLetter: deadLetter('sub_a', 4) }]);
  for (const { log } of hubs) await log.reachNewest();
  expect(hubs.map(({ subscriptions }) => subscriptions.lease.owner)).toEqual(['a', 'a', 'a']);
  expect(begun).toEqual([]);
  await store.close();
  await expect.poll(() => begun).toHaveLength(1);
  const next = begun[0] === 'b' ? two : three;
  await expect.poll(() => next.subscriptions.isWorking).toBe(true);
  const loaded = next.subscriptions.store.load();
  expect(loaded).toMatchObject({ epoch: EPOCH, subscriptions: [{ status: { cursor: 3 }, deadLetters: 1 }] });
  expect(loaded.subscriptions[0]?.open.map(({ position }) => position)).toEqual([5]);
  await expect(store.write(creationOf('sub_b'))).rejects.toMatchObject({ code: 'log_unavailable' });
  for (const { log } of hubs) {
    await log.reachNewest();
    expect(log.problems).toEqual([]);
  }
});

test('an owner that another hub has deposed writes nothing more, and its hub opens again', async () => {
  const cluster = new TestCluster();
  const [one, two] = [await cluster.open('a'), await cluster.open('b')];
  const store = await working(one);
  await store.write(creationOf('sub_a'));
  let resets = 0;
  one.log.onReset(() => resets++);
  const { term } = one.subscriptions.lease;
  // A command of the owner in between begins anew.
  for (let sent = 0; two.subscriptions.lease.owner !== 'x'; sent++) {
    await cluster.command({ hub: 'x', term, action: 'challenge' });
    await two.log.reachNewest();
    expect(two.subscriptions.lease.owner).toBe(sent < CHALLENGES_MIN - 1 ? 'a' : two.subscriptions.lease.owner);
  }
  await expect.poll(() => [resets, one.subscriptions.isWorking]).toEqual([1, false]);
  await expect(store.write(creationOf('sub_b'))).rejects.toMatchObject({ code: 'log_unavailable' });
  await cluster.command({ hub: 'a', term, action: 'change', changes: creationOf('sub_c') as [] });
  await two.log.reachNewest();
  expect(two.subscriptions.lease).toMatchObject({ owner: 'x', term: term + 1 });
  await cluster.command({ hub: 'x', term: term + 1, action: 'release' });
  const next = await working(two);
  expect(next.load().subscriptions.map(({ definition }) => definition.id)).toEqual(['sub_a']);
});

test('a hub that leaves while it takes over begins no work, and gives the lease away at once', async () => {
  const cluster = new TestCluster();
  // The store of this home is read in a later turn.
  const [one, two] = [await cluster.open('a', { home: HOMES['sqlite'] as Home }), await cluster.open('b')];
  one.subscriptions.start(() => expect.unreachable('it works'));
  while (one.subscriptions.lease.owner !== 'a') await one.subscriptions.changed(60_000);
  expect(one.subscriptions.isWorking).toBe(false);
  one.subscriptions.leave();
  await one.subscriptions.store.close();
  await two.log.reachNewest();
  expect(two.subscriptions.lease).toMatchObject({ owner: '', term: 1 });
  await working(two);
});

test('a hub that is leaving takes no lease', async () => {
  const cluster = new TestCluster();
  const [one, two] = [await cluster.open('a'), await cluster.open('b')];
  const store = await working(one);
  two.subscriptions.start(() => expect.unreachable('it works'));
  two.subscriptions.leave();
  await store.close();
  await two.log.reachNewest();
  expect(two.subscriptions.lease.owner).toBe('');
  // A command of before would have come first.
  await two.log.reachNewest();
  expect(two.subscriptions.lease.owner).toBe('');
});

test('challenges of several hubs are counted for each, and every command of the owner begins anew', async () => {
  const cluster = new TestCluster();
  const [one, two] = [await cluster.open('a'), await cluster.open('b')];
  await working(one);
  const { term } = one.subscriptions.lease;
  const challenge = async (hub: string, count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent++) await cluster.command({ hub, term, action: 'challenge' });
  };
  await challenge('x', CHALLENGES_MIN - 1);
  await challenge('y', CHALLENGES_MIN - 1);
  await cluster.command({ hub: 'x', term: term - 1, action: 'challenge' });
  await one.subscriptions.store.write(creationOf('sub_a'));
  await challenge('x', CHALLENGES_MIN - 1);
  await cluster.command({ hub: 'y', term, action: 'take' });
  await cluster.command({ hub: 'y', term, action: 'release' });
  await two.log.reachNewest();
  expect(two.subscriptions.lease).toMatchObject({ owner: 'a', term });
  expect(one.subscriptions.isWorking).toBe(true);
});

test('while a hub of an earlier version runs, no hub works', async () => {
  const cluster = new TestCluster();
  const older = cluster.fleet.connect('old');
  onTestFinished(() => older.close());
  const one = await cluster.open('a');
  older.report({ host: 'm', version: '0.1', sequence: 0, hash: 0, level: 2 });
  await expect.poll(() => one.subscriptions.refusal?.code).toBe('not_in_cluster');
  one.subscriptions.start(() => expect.unreachable('it works'));
  await one.log.reachNewest();
  expect(one.subscriptions.lease).toMatchObject({ owner: '', isWorking: false });
});

test('a hub that heard an earlier version a moment ago works on what the others share already', async () => {
  const cluster = new TestCluster();
  const [one, two] = [await cluster.open('a'), await cluster.open('b')];
  await working(one);
  const older = cluster.fleet.connect('old');
  onTestFinished(() => older.close());
  older.report({ host: 'm', version: '0.1', sequence: 0, hash: 0, level: 2 });
  await expect.poll(() => two.log.others.names).toContain('old');
  // It has applied that the first hub has the lease.
  await two.log.reachNewest();
  expect(two.subscriptions.refusal).toBeUndefined();
});
