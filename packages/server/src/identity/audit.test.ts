import { expect, test } from 'vitest';
import { ALL_SCOPES } from '../core/access/scopes.ts';
import { openTestIdentity, OPERATOR, START_MS } from '../testing/test-identity.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

test('records the actor, the action, the subject, the time and the address', () => {
  const { keys, audit, logged } = openTestIdentity();
  const { key } = keys.create({ name: 'boss', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR);
  audit.record({
    action: 'user.disconnected',
    subject: 'anna',
    by: { kind: 'server', key: key.id, address: '192.0.2.1' },
    detail: { reason: 'logged out' },
  });
  const [entry] = audit.page(Infinity, 1);
  expect(entry).toEqual({
    id: 2,
    timeMs: START_MS,
    action: 'user.disconnected',
    subject: 'anna',
    by: { kind: 'server', key: key.id, name: 'boss', address: '192.0.2.1' },
    detail: { reason: 'logged out' },
  });
  expect(logged.at(-1)).toMatchObject({ action: 'user.disconnected', subject: 'anna' });
});

test('a key that revokes itself is named', () => {
  const { keys, audit } = openTestIdentity();
  const { key } = keys.create({ name: 'boss', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR);
  keys.revoke(key.id, { kind: 'server', key: key.id });
  expect(audit.page(Infinity, 1)).toMatchObject([{ action: 'key.revoked', by: { key: key.id, name: 'boss' } }]);
});

test('contains no secret', () => {
  const { keys, audit, logged } = openTestIdentity();
  const { key, text } = keys.create({ name: 'boss', scopes: ALL_SCOPES, expiresMs: undefined }, OPERATOR);
  const rotated = keys.rotate(key.id, 1000, OPERATOR);
  keys.change(key.id, { name: 'other' }, OPERATOR);
  keys.revoke(key.id, OPERATOR);
  const all = JSON.stringify([audit.page(Infinity, 10), logged]);
  for (const each of [text, rotated?.text]) expect(all).not.toContain(each?.slice(-32));
  expect(audit.page(Infinity, 10).map(({ action }) => action)).toEqual([
    'key.revoked',
    'key.changed',
    'key.rotated',
    'key.created',
  ]);
});

test('keeps the newest entries, page by page, also across a restart', () => {
  const folder = temporaryFolder();
  const { audit, close } = openTestIdentity(folder, { auditEntriesMax: 5 });
  for (let index = 1; index <= 12; index++) audit.record({ action: 'test.done', subject: String(index), by: OPERATOR });
  close();
  const after = openTestIdentity(folder, { auditEntriesMax: 5 });
  const first = after.audit.page(Infinity, 3);
  expect(first.map(({ subject }) => subject)).toEqual(['12', '11', '10']);
  expect(after.audit.page(first.at(-1)?.id as number, 3).map(({ subject }) => subject)).toEqual(['9', '8']);
});

test('an entry that is too long is shortened, and does not block others', () => {
  const { audit } = openTestIdentity();
  audit.record({ action: 'test.done', subject: 'x'.repeat(1000), by: OPERATOR, detail: { text: 'y'.repeat(5000) } });
  const [entry] = audit.page(Infinity, 1);
  expect(entry?.subject).toHaveLength(256);
  expect(JSON.stringify(entry?.detail).length).toBeLessThan(100);
});

test('an entry that cannot be written is logged', async () => {
  const { audit, errors, close } = openTestIdentity();
  close();
  audit.record({ action: 'test.done', subject: 'x', by: OPERATOR });
  await expect.poll(() => errors).toHaveLength(1);
});
