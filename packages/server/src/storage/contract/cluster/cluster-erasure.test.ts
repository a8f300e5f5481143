import { cpSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Erasure } from '../../../core/erasure.ts';
import type { Log, Position, SharedLog } from '../../../core/ports.ts';
import type { Actor } from '../../../core/audit.ts';
import { openIdentity, type Identity } from '../../../identity/identity.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { testStorageOptions } from '../../../testing/test-storage.ts';
import type { JournaledLog } from '../../cluster/journaled-log.ts';
import { HOMES } from '../../homes.ts';
import { commandBytes } from '../../view/view-state.ts';
import type { Home } from '../../home.ts';
import { channelsRead, positionOf, queryAll, record, START_MS } from '../log/log-fixtures.ts';
import { MemoryCluster } from './test-hub.ts';

/** Erasures over several hubs in one process. */
const OPERATOR: Actor = { kind: 'operator' };
const SETTINGS = { auditEntriesMax: 50, revocationsKeptSeconds: 1000, revocationsMax: 100, keysMax: 5 };
const SECRET = 'a secret that is erased';

interface TestHub extends Identity {
  readonly log: JournaledLog;
  readonly folder: string;
  /** What memory was told to drop, and the users whose names were to go. */
  readonly dropped: Position[];
  readonly users: (string | undefined)[];
  /** Whether its disk accepts that names are erased. */
  isFailing: boolean;
}

class TestCluster extends MemoryCluster {
  async open(
    self: string,
    { folder = temporaryFolder(), home = HOMES['sqlite'] as Home, snapshotBytes = Infinity } = {},
  ): Promise<TestHub> {
    const options = testStorageOptions(folder, { identity: { auditEntriesMax: 50 } });
    const log = await this.openLog(self, { home, options, snapshotBytes });
    const store = await log.openIdentity(home.openIdentity(options));
    const logger = { info: () => undefined, error: () => undefined };
    const identity = openIdentity(store, SETTINGS, { nowMs: () => 1, monotonicMs: () => performance.now() }, logger);
    onTestFinished(() => identity.close());
    const dropped: Position[] = [];
    const users: (string | undefined)[] = [];
    log.onErased({
      events: (positions) => dropped.push(...positions),
      names: async (user) => {
        if (hub.isFailing) throw new Error('the disk is full');
        users.push(user);
      },
    });
    const hub = { ...identity, log, folder, dropped, users, isFailing: false };
    return hub;
  }
}

async function caughtUp({ log }: TestHub): Promise<Log> {
  await (log.shared as SharedLog).reachNewest();
  return log;
}

async function overwritten({ log }: TestHub): Promise<void> {
  await expect.poll(() => log.erasing.overwrite(), { interval: 1, timeout: 20_000 }).toBe('done');
}

/** The files of a hub that have a text. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text));
}

test.each(Object.keys(HOMES))('%s: an erasure of one hub holds at all hubs, and the views stay equal', async (name) => {
  const home = HOMES[name] as Home;
  const cluster = new TestCluster();
  const hubs = [await cluster.open('a', { home }), await cluster.open('b', { home: HOMES['memory'] as Home })];
  const [one, other] = hubs as [TestHub, TestHub];
  const outcomes = await one.log.append(['orders.1', 'orders.2', 'orders.1'].map((channel) => record(channel)));
  const [first = 0, second = 0, third = 0] = outcomes.map(positionOf);
  expect(await other.log.erasing.erase({ positions: [first, second], channels: ['orders.2'] })).toBe(2);
  expect(await one.log.erasing.erase({ positions: [first], channels: [], user: 'ann' })).toBe(0);
  for (const hub of hubs) {
    const log = await caughtUp(hub);
    expect(await channelsRead(log, ['>'])).toEqual(['orders.1']);
    const { trimmedThrough, erasedThrough } = await log.read({ ...queryAll(log, ['orders.>']), after: 0 });
    expect([trimmedThrough, erasedThrough]).toEqual([second, second]);
    expect((await log.channels({ after: '', limit: 5 })).map(({ channel }) => channel)).toEqual(['orders.1']);
    expect(hub.dropped).toEqual([first, second, first]);
    await overwritten(hub);
    expect(hub.users).toEqual([undefined, 'ann']);
  }
  expect(third).toBe(3);
  // The hashes of both views are in their beats.
  await one.log.append([record('orders.1')]);
  await expect.poll(() => other.log.state.head).toBe(4);
  expect(hubs.map(({ log }) => log.problems)).toEqual([[], []]);
});

test('hubs that were stopped, and new ones, never serve an erased event: from blocks and from a snapshot', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a', { snapshotBytes: 2_000 });
  const stopped = await cluster.open('b');
  const [outcome] = await one.log.append([record('a', { body: new TextEncoder().encode(`"data":"${SECRET}"`) })]);
  const position = positionOf(outcome ?? { kind: 'channel_limit' });
  await caughtUp(stopped);
  await stopped.log.close();
  for (let count = 0; (await cluster.snapshots.list()).length === 0; count++) await one.log.append([record('b')]);
  await one.log.erasing.erase({ positions: [position], channels: ['a'] });
  const again = await cluster.open('b', { folder: stopped.folder });
  const fromSnapshot = await cluster.open('c');
  const fromBlocks = await cluster.open('d', { home: HOMES['memory'] as Home });
  for (const { log } of [one, again, fromSnapshot, fromBlocks]) {
    expect(await channelsRead(log, ['a'])).toEqual([]);
    const { erasedThrough } = await log.read({ ...queryAll(log, ['a']), after: 0 });
    expect(erasedThrough).toBe(position);
  }
  // What a hub does not do while it runs, it does after its next start.
  for (const hub of [one, again, fromSnapshot]) await overwritten(hub);
  for (const { folder } of [one, again, fromSnapshot]) expect(filesWith(folder, SECRET)).toEqual([]);
});

test('a hub that was killed before its files were overwritten does it after its next start', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a');
  const body = new TextEncoder().encode(`"data":"${SECRET.repeat(500)}"`);
  await one.log.append(Array.from({ length: 20 }, () => record('a', { body })));
  // What retention removes stays in free pages.
  await one.log.trim([{ channel: 'a', countMax: 1 }], START_MS);
  await one.log.erasing.erase({ positions: [20], channels: ['a'] });
  // The files as they are when the process ends at once.
  const folder = temporaryFolder();
  cpSync(one.folder, folder, { recursive: true });
  await one.log.close();
  expect(filesWith(folder, SECRET)).not.toEqual([]);
  const again = await cluster.open('a', { folder });
  await overwritten(again);
  expect(filesWith(folder, SECRET)).toEqual([]);
});

test('an erasure is finished when all hubs that run have done their part', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a');
  const failing = await cluster.open('b');
  failing.isFailing = true;
  await one.log.append([record('a')]);
  await one.log.erasing.erase({ positions: [1], channels: ['a'], user: 'ann' });
  await caughtUp(failing);
  await expect.poll(() => one.users).toEqual(['ann']);
  for (let count = 0; count < 5; count++) expect(await one.log.erasing.overwrite()).not.toBe('done');
  failing.isFailing = false;
  await overwritten(one);
  expect(failing.users).toEqual(['ann']);
});

test('a request is known to every hub, and is finished and audited once', async () => {
  const cluster = new TestCluster();
  const [one, other] = [await cluster.open('a'), await cluster.open('b')];
  const { epoch } = one.log.state;
  const range = { after: 0, through: 9, requestedMs: 5, by: OPERATOR };
  const erasure: Erasure = { id: 'era_1', kind: 'user', name: 'ann', epoch, ...range };
  await one.erasureRequests.add(erasure, { action: 'erasure.requested', subject: 'ann', by: OPERATOR });
  await caughtUp(other);
  const late = await cluster.open('c');
  for (const hub of [one, other, late]) expect(hub.erasureRequests.pending).toEqual([erasure]);
  const finished = { action: 'erasure.finished', subject: 'ann', by: OPERATOR };
  await Promise.all([one, other].map(({ erasureRequests }) => erasureRequests.finish('era_1', finished)));
  const entries = await one.audit.pageOfAll(Infinity, 10);
  expect(entries.map(({ action }) => action)).toEqual(['erasure.finished', 'erasure.requested']);
  for (const hub of [one, other, late]) {
    await caughtUp(hub);
    expect(hub.erasureRequests.pending).toEqual([]);
  }
  const last = await cluster.open('d');
  expect([last.erasureRequests.pending, last.erasedUsers]).toEqual([[], [{ user: 'ann', requestedMs: 5 }]]);
});

test('an order of an earlier epoch erases nothing, and an older hub is not given one', async () => {
  const cluster = new TestCluster();
  const one = await cluster.open('a');
  await one.log.append([record('a')]);
  const data = commandBytes({ epoch: '0000000001', positions: [1], channels: ['a'] });
  await cluster.journal.connect().append({ id: 'other-1', kind: 'erase', data });
  await caughtUp(one);
  expect(cluster.journal.kinds).toContain('erase');
  expect([await channelsRead(one.log, ['a']), one.dropped]).toEqual([['a'], []]);
  const beat = { host: 'h', version: '0.1.0', sequence: 0, hash: 0, level: 3 };
  const older = cluster.fleet.connect('old');
  older.report(beat);
  await expect.poll(() => one.log.others.names).toContain('old');
  await expect(one.log.erasing.erase({ positions: [1], channels: [] })).rejects.toMatchObject({
    code: 'not_in_cluster',
  });
  expect(await channelsRead(one.log, ['a'])).toEqual(['a']);
  await older.close();
});
