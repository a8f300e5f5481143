import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import {
  attempt,
  creationOf,
  deadLetter,
  EPOCH,
  open,
  openEvent,
  statusAt,
} from '../../contract/subscriptions/subscription-fixtures.ts';
import { readMark } from '../committed-mark.ts';
import { MARK_FILE, MIGRATIONS, SUBSCRIPTIONS_FILE } from './schema.ts';
import { openSubscriptionStore } from './sqlite-subscription-store.ts';
import { startedThreads } from '../../../testing/started-threads.ts';

/** A folder with a subscription in its file. The file is closed. */
async function filled(): Promise<{ readonly folder: string; readonly file: string }> {
  const folder = temporaryFolder();
  const store = await openSubscriptionStore({ folder });
  await store.write([...creationOf('sub_a', 3), open('sub_a', 1)]);
  await store.close();
  return { folder, file: join(folder, SUBSCRIPTIONS_FILE) };
}

function change(file: string, statement: string): void {
  using database = new DatabaseSync(file);
  database.exec(statement);
}

test('only the own user may read it, because it contains the signing secrets', async () => {
  const { file } = await filled();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('no file has a byte of an attempt that was erased', async () => {
  const folder = temporaryFolder();
  const store = await openSubscriptionStore({ folder });
  await store.write(creationOf('sub_a'));
  const filesWith = (text: string): string[] =>
    readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text));
  for (let number = 1; number <= 60; number++) {
    const body = `${number % 2 === 0 ? 'marker-of-the-erased' : 'kept'} ${'x'.repeat(number * 100)}`;
    const answer = { status: 500, headers: {}, body, isCut: false };
    store.enqueue([{ kind: 'attempt', attempt: attempt('sub_a', number, { position: number, answer }) }]);
    if (number % 10 === 0) await store.attempts({ before: 1, limit: 1 });
  }
  expect(filesWith('marker-of-the-erased')).not.toEqual([]);
  await store.eraseAttempts({ epoch: EPOCH, positions: [], texts: ['marker-of-the-erased'] });
  expect(filesWith('marker-of-the-erased')).toEqual([]);
  expect(filesWith('kept xxx')).not.toEqual([]);
  await store.close();
  expect(filesWith('marker-of-the-erased')).toEqual([]);
});

test('without subscriptions there is no file; the first one brings it, with the epoch of the log', async () => {
  const folder = temporaryFolder();
  for (let turn = 0; turn < 2; turn++) {
    const store = await openSubscriptionStore({ folder });
    expect(store.load()).toEqual({ subscriptions: [], epoch: undefined, lastAttempt: 0, hasLostCommits: false });
    store.enqueue([{ kind: 'epoch', epoch: '00tmf894vq' }]);
    expect(await store.attempts({ before: Infinity, limit: 1 })).toEqual([]);
    expect(await store.deadLetters('sub_a', { limit: 1 })).toEqual([]);
    await store.write([]);
    await store.close();
    expect(readdirSync(folder)).toEqual([]);
  }
  const store = await openSubscriptionStore({ folder });
  store.enqueue([{ kind: 'epoch', epoch: '00tmf894vq' }]);
  await store.write(creationOf('sub_a'));
  await store.close();
  const again = await openSubscriptionStore({ folder });
  expect(again.load()).toMatchObject({ subscriptions: [{ definition: { id: 'sub_a' } }], epoch: '00tmf894vq' });
  await again.close();
});

test('a write without changes syncs what earlier commits have left to the system, also those of a killed process', async () => {
  const { folder } = await filled();
  const marked = (): number => readMark(join(folder, MARK_FILE))?.through ?? 0;
  const atOpening = marked();
  const store = await openSubscriptionStore({ folder });
  onTestFinished(() => store.close());
  await store.write([]);
  expect(marked()).toBe(atOpening + 1);
  // Everything is durable.
  await store.write([]);
  expect(marked()).toBe(atOpening + 1);
  store.enqueue([open('sub_a', 2)]);
  // The read writes the enqueued changes first, without a sync.
  await store.attempts({ before: Infinity, limit: 1 });
  await store.write([]);
  expect(marked()).toBe(atOpening + 3);
});

test('a file that has vanished beside its mark has lost its commits', async () => {
  const { folder, file } = await filled();
  rmSync(file);
  const store = await openSubscriptionStore({ folder });
  expect(store.load()).toMatchObject({ subscriptions: [], hasLostCommits: true });
  await store.close();
});

test('while the first subscription cannot be stored it is refused, and later it is stored', async () => {
  const { folder, block, unblock } = blockedFolder();
  const store = await openSubscriptionStore({ folder });
  onTestFinished(() => store.close());
  block();
  await expect(store.write(creationOf('sub_a'))).rejects.toMatchObject({ code: 'log_unavailable' });
  expect(store.unavailable).toBe('log_unavailable');
  unblock();
  await store.write(creationOf('sub_b'));
  expect(store.unavailable).toBeUndefined();
  await store.close();
  const again = await openSubscriptionStore({ folder });
  expect(again.load().subscriptions).toMatchObject([{ definition: { id: 'sub_b' } }]);
  await again.close();
});

/** A folder in which `block` puts a folder where the file would be. */
function blockedFolder() {
  const folder = temporaryFolder();
  const file = join(folder, SUBSCRIPTIONS_FILE);
  return { folder, block: () => mkdirSync(file), unblock: () => rmdirSync(file) };
}

test('a file that is not a database is refused with the next step, and not changed', async () => {
  const { folder, file } = await filled();
  writeFileSync(file, 'something else that is longer than a page of nothing at all');
  await expect(openSubscriptionStore({ folder })).rejects.toMatchObject({
    reason: 'corrupt',
    message: expect.stringMatching(/subscriptions\.sqlite is damaged.*Restore a backup/) as string,
  });
  expect(readFileSync(file, 'utf8')).toMatch(/^something else/);
});

test("another program's database is refused, and so is another file of Polycast", async () => {
  const folder = temporaryFolder();
  change(join(folder, SUBSCRIPTIONS_FILE), 'CREATE TABLE theirs (id INTEGER)');
  await expect(openSubscriptionStore({ folder })).rejects.toMatchObject({ reason: 'corrupt' });
  const other = await filled();
  change(other.file, 'PRAGMA application_id = 0x706c6964');
  await expect(openSubscriptionStore({ folder: other.folder })).rejects.toMatchObject({ reason: 'corrupt' });
});

test('a damaged page is found at opening', async () => {
  const { folder, file } = await filled();
  truncateSync(file, 8192);
  appendFileSync(file, Buffer.alloc(4096, 0xff));
  await expect(openSubscriptionStore({ folder })).rejects.toMatchObject({ reason: 'corrupt' });
});

test('a file of a newer version is refused', async () => {
  const { folder, file } = await filled();
  change(file, `PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  await expect(openSubscriptionStore({ folder })).rejects.toMatchObject({ reason: 'newer_schema' });
});

test.each([
  ["UPDATE definition SET definition = '{'", 'a definition that is no JSON'],
  ['DELETE FROM standing', 'a subscription that stands nowhere'],
  ["UPDATE standing SET reason = 'bored'", 'an unknown reason of a state'],
])('rows that no version writes are refused: %s (%s)', async (statement) => {
  const { folder, file } = await filled();
  change(file, statement);
  await expect(openSubscriptionStore({ folder })).rejects.toMatchObject({ reason: 'corrupt' });
});

test('a folder of any earlier version is migrated to the present schema', async () => {
  const folder = temporaryFolder();
  change(
    join(folder, SUBSCRIPTIONS_FILE),
    `${MIGRATIONS[0] as string} PRAGMA application_id = 0x706c7362; PRAGMA user_version = 1`,
  );
  const store = await openSubscriptionStore({ folder });
  await store.write(creationOf('sub_a'));
  await store.close();
});

test('attempts of an earlier version get the log that their ids name', async () => {
  const folder = temporaryFolder();
  const old = (number: number, id: string): string => {
    const { epoch: _epoch, others: _others, isGap: _isGap, ...rest } = attempt('sub_a', number, { position: 7 });
    const text = JSON.stringify({ ...rest, request: { ...rest.request, headers: { 'webhook-id': id } } });
    return `INSERT INTO attempt VALUES (${number}, 'sub_a', 1, 7, ${text.length}, '${text}');`;
  };
  change(
    join(folder, SUBSCRIPTIONS_FILE),
    `${MIGRATIONS[0] as string} INSERT INTO state VALUES (0, '00tmf894vq');
     ${old(1, '00tmf894va-00000000007')} ${old(2, 'batch_4q2w7r1zB5uYl0k3JcXhTg')} ${old(3, '00tmf894vq-00000000007')}
     PRAGMA application_id = 0x706c7362; PRAGMA user_version = 1`,
  );
  const store = await openSubscriptionStore({ folder });
  const found = await store.attempts({ before: Infinity, limit: 9 });
  expect(found.map(({ epoch }) => epoch)).toEqual(['00tmf894vq', '00tmf894vq', '00tmf894va']);
  expect(found[2]).toMatchObject({ position: 7, others: [], isGap: false });
  const event = { epoch: '00tmf894va', position: 7 };
  expect((await store.attempts({ event, before: Infinity, limit: 9 })).map(({ number }) => number)).toEqual([1]);
  await store.close();
});

test('dead letters of an earlier version get the log of their attempts, else the last one', async () => {
  const folder = temporaryFolder();
  const letter = (position: number): string =>
    `INSERT INTO dead_letter VALUES ('sub_a', ${position}, 'orders.1', 9, 4000, 'timeout', 'It took too long.');`;
  const tried = (number: number, epoch: string, startedMs: number): string =>
    `INSERT INTO attempt VALUES (${number}, 'sub_a', 1, 7, 1, '{"startedMs":${startedMs}}', '${epoch}', 7);`;
  change(
    join(folder, SUBSCRIPTIONS_FILE),
    `${MIGRATIONS.slice(0, 6).join('')} INSERT INTO state VALUES (0, '00tmf894vq');
     ${letter(7)} ${letter(8)} ${tried(1, '00tmf894v0', 2000)} ${tried(2, '00tmf894va', 3990)} ${tried(3, '00tmf894vq', 5000)}
     PRAGMA application_id = 0x706c7362; PRAGMA user_version = 6`,
  );
  const store = await openSubscriptionStore({ folder });
  const [first, second] = [deadLetter('sub_a', 7, '00tmf894va'), deadLetter('sub_a', 8, '00tmf894vq')];
  expect(await store.deadLetters('sub_a', { limit: 9 })).toEqual([first, second]);
  await store.close();
});

test('a thread that dies is replaced, and its successor writes the enqueued changes', async () => {
  const folder = temporaryFolder();
  const workers = startedThreads();
  const troubles: unknown[] = [];
  const store = await openSubscriptionStore({ folder, onUnavailable: (error) => troubles.push(error) });
  await store.write([...creationOf('sub_a'), open('sub_a', 1), open('sub_a', 2)]);
  await workers[0]?.terminate();
  store.enqueue([
    { kind: 'status', subscription: 'sub_a', status: statusAt(7) },
    { kind: 'closed', subscription: 'sub_a', position: 1 },
    { kind: 'dead_letter', deadLetter: deadLetter('sub_a', 1) },
  ]);
  await vi.waitFor(() => expect(store.metrics()['changes']).toBe(7), { timeout: 10_000 });
  expect(store.unavailable).toBeUndefined();
  expect(troubles.length).toBeLessThanOrEqual(1);
  await store.close();
  const again = await openSubscriptionStore({ folder });
  expect(again.load().subscriptions).toMatchObject([{ status: statusAt(7), open: [openEvent(2)], deadLetters: 1 }]);
  await again.close();
});

test('an event that is opened and closed between two commits is not written', async () => {
  const folder = temporaryFolder();
  const store = await openSubscriptionStore({ folder });
  await store.write(creationOf('sub_a'));
  for (let position = 1; position <= 10_000; position++) {
    store.enqueue([open('sub_a', position), { kind: 'status', subscription: 'sub_a', status: statusAt(position) }]);
    store.enqueue([{ kind: 'closed', subscription: 'sub_a', position }]);
  }
  expect(store.metrics()['waiting']).toBeLessThan(5);
  await store.close();
  expect(store.metrics()['changes']).toBeLessThan(10);
  const again = await openSubscriptionStore({ folder });
  expect(again.load().subscriptions).toMatchObject([{ status: statusAt(10_000), open: [] }]);
  await again.close();
});

test('attempts of all subscriptions together are bounded', async () => {
  const store = await openSubscriptionStore({ folder: temporaryFolder(), bounds: { attemptsKeptMax: 300 } });
  await store.write(Array.from({ length: 50 }, (_, index) => creationOf(`sub_${index}`)).flat());
  for (let number = 1; number <= 1000; number++)
    await store.write([{ kind: 'attempt', attempt: attempt(`sub_${number % 50}`, number) }]);
  const kept = await store.attempts({ before: Infinity, limit: 1000 });
  expect(kept.length).toBeLessThanOrEqual(300);
  expect(kept.length).toBeGreaterThan(200);
  expect(kept[0]?.number).toBe(1000);
  expect(store.metrics()['attempts']).toBe(kept.length);
  await store.close();
});
