import { ERRORS } from '@polycast/protocol';
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DataFolderError } from '../../../core/data-folder-error.ts';
import { ALL_SCOPES } from '../../../core/access/scopes.ts';
import { IDENTITY_FILE } from './identity-file.ts';
import { openIdentityStore } from './sqlite-identity-store.ts';
import { openTestIdentity, OPERATOR } from '../../../testing/test-identity.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';

/** A folder with a key in its file. The file is closed. */
function filled(): { readonly folder: string; readonly file: string; readonly key: string } {
  const folder = temporaryFolder();
  const identity = openTestIdentity(folder);
  const { text } = identity.keys.create({ name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR);
  identity.close();
  return { folder, file: join(folder, IDENTITY_FILE), key: text };
}

function refusalOf(folder: string): DataFolderError {
  try {
    openTestIdentity(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(DataFolderError);
    return error as DataFolderError;
  }
  throw new Error('it was opened');
}

function change(file: string, statement: string): void {
  using database = new DatabaseSync(file);
  database.exec(statement);
}

test("only the hub's user may read it", () => {
  const { file } = filled();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('the disk contains only the hash of a key, also in the write-ahead log', () => {
  const folder = temporaryFolder();
  const identity = openTestIdentity(folder);
  const { text } = identity.keys.create({ name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR);
  identity.keys.identify({ token: text });
  identity.keys.writeLastUsed(identity.clock.nowMs());
  const secret = text.slice(-32);
  for (const file of [IDENTITY_FILE, `${IDENTITY_FILE}-wal`])
    expect(readFileSync(join(folder, file)).includes(secret), file).toBe(false);
});

test('a file that is not a database is refused, and not changed', () => {
  const { folder, file } = filled();
  writeFileSync(file, 'something else that is longer than a page of nothing at all');
  expect(refusalOf(folder)).toMatchObject({ reason: 'corrupt' });
  expect(readFileSync(file, 'utf8')).toMatch(/^something else/);
});

test("another program's database is refused", () => {
  const folder = temporaryFolder();
  change(join(folder, IDENTITY_FILE), 'CREATE TABLE users (name TEXT)');
  expect(refusalOf(folder)).toMatchObject({ reason: 'corrupt' });
});

test('a damaged page is found before any request is authenticated', () => {
  const { folder, file } = filled();
  truncateSync(file, 8192);
  appendFileSync(file, Buffer.alloc(4096, 0xff));
  expect(refusalOf(folder)).toMatchObject({ reason: 'corrupt' });
});

test('a file of a newer version is refused', () => {
  const { folder, file } = filled();
  change(file, 'PRAGMA user_version = 99');
  expect(refusalOf(folder)).toMatchObject({ reason: 'newer_schema' });
});

test.each([
  ['UPDATE key SET scopes = \'{"everything": [">"]}\'', 'a scope that there is not'],
  ["UPDATE key SET scopes = 'admin'", 'scopes that are no JSON'],
  ['UPDATE key SET scopes = \'{"publish": ["a..b"]}\'', 'a pattern that is none'],
  ['DELETE FROM secret', 'a key without a secret'],
])('rows that no version writes are refused: %s (%s)', (statement) => {
  const { folder, file } = filled();
  change(file, statement);
  expect(refusalOf(folder)).toMatchObject({ reason: 'corrupt' });
});

test('a hash of another length cannot be written', () => {
  const { file } = filled();
  expect(() => change(file, "UPDATE secret SET hash = x'00'")).toThrow(/CHECK/);
});

test('if one of several changes fails, none is stored', () => {
  const errors: object[] = [];
  const store = openIdentityStore({
    folder: temporaryFolder(),
    auditEntriesMax: 10,
    logger: { error: (fields) => void errors.push(fields) },
  });
  const entry = { timeMs: 1, action: 'test.done', subject: 'a', by: OPERATOR, detail: {} };
  const secret = { hash: new Uint8Array(31), createdMs: 1, expiresMs: undefined };
  const dates = { createdMs: 1, expiresMs: undefined, lastUsedMs: undefined };
  const key = { id: 'a', name: 'a', scopes: ALL_SCOPES, ...dates, secrets: [secret] };
  expect(() =>
    store.write([
      { kind: 'audit', entry },
      { kind: 'key', key },
    ]),
  ).toThrow(ERRORS.log_unavailable.title);
  expect(errors).toMatchObject([{ error: expect.stringContaining('CHECK') as unknown }]);
  expect(store.auditPage(Infinity, 10)).toEqual([]);
  expect(store.load()).toMatchObject({ keys: [], hasEverHadKeys: false });
  store.close();
});

test('while the write-ahead log is moved a new key waits; a revoked one is refused immediately, and written later', async () => {
  const folder = temporaryFolder();
  const identity = openTestIdentity(folder);
  const options = { name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined };
  const old = identity.keys.create(options, OPERATOR);
  // Enough bytes for a thread to move them, and the lock that this thread takes now and then.
  const other = new DatabaseSync(join(folder, IDENTITY_FILE));
  other.exec('CREATE TABLE filling (bytes BLOB); INSERT INTO filling VALUES (zeroblob(6000000)); BEGIN IMMEDIATE');
  identity.maintain();
  expect(() => identity.keys.create(options, OPERATOR)).toThrow(ERRORS.log_unavailable.title);
  const revoked = identity.keys.revoke(old.key.id, OPERATOR);
  expect(() => identity.keys.identify({ token: old.text })).toThrow('not valid');
  other.close();
  await identity.keys.whenWritable();
  const made = identity.keys.create(options, OPERATOR);
  await Promise.all([revoked, identity.keys.whenDurable()]);
  identity.close();
  const again = openTestIdentity(folder);
  expect(again.keys.list().map(({ id }) => id)).toEqual([made.key.id]);
  expect(identity.errors).toEqual([expect.stringContaining('locked')]);
});
