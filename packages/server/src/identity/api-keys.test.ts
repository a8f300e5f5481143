import { ERRORS, PolycastError } from '@polycast/protocol';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { Grants, Principal } from '../core/access/principal.ts';
import type { CreatedKey } from './api-keys.ts';
import { localKeyChanges } from './key-changes.ts';
import { keyHash, keyIdOf, createKeyText } from './key-text.ts';
import { issuedBeforeNowMs } from './revocation-list.ts';
import { ALL_SCOPES, scopeTexts, scopesProblem } from '../core/access/scopes.ts';
import { IDENTITY_FILE } from '../storage/sqlite/identity/identity-file.ts';
import { openTestIdentity, OPERATOR, START_MS } from '../testing/test-identity.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const SHOP: Grants = { publish: ['orders.>'], subscribe: ['orders.*'] };
const optionsOf = (scopes: Grants = SHOP, expiresMs?: number) => ({ name: 'shop', scopes, expiresMs });

describe('a key', () => {
  test('has the documented form, and is unique', () => {
    const texts = Array.from({ length: 2000 }, () => createKeyText());
    for (const { id, text } of texts) {
      expect(text).toMatch(/^pck_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$/);
      expect(keyIdOf(text)).toBe(id);
    }
    expect(new Set(texts.map(({ text }) => text)).size).toBe(2000);
    // All 62 digits are equally likely: 64,000 / 62 is 1032, and six standard deviations are 191.
    const counts = Map.groupBy(
      texts.flatMap(({ text }) => [...text.slice(-32)]),
      (digit) => digit,
    );
    expect(counts.size).toBe(62);
    for (const { length } of counts.values()) expect(Math.abs(length - 1032)).toBeLessThan(191);
  });

  test('has a name, scopes and a time of creation', () => {
    const { keys } = openTestIdentity();
    const { key, text } = keys.create(optionsOf(), OPERATOR);
    expect(keys.identify({ token: text })).toMatchObject({
      kind: 'server',
      key: key.id,
      grants: SHOP,
      user: undefined,
      issuedMs: START_MS,
      expiresMs: Infinity,
    });
  });

  test('is the same principal for all its requests', () => {
    const { keys } = openTestIdentity();
    const { text } = keys.create(optionsOf(), OPERATOR);
    expect(keys.identify({ token: text })).toBe(keys.identify({ token: text }));
  });

  test('leaves other tokens, and anonymous requests, to other authorities', () => {
    const { keys } = openTestIdentity();
    expect(keys.identify({ token: undefined })).toBeUndefined();
    expect(keys.identify({ token: 'eyJhbGciOiJIUzI1NiJ9.e30.x' })).toBeUndefined();
  });

  test('is invalid from the moment of its expiry on', () => {
    const { keys, clock } = openTestIdentity();
    const { text } = keys.create(optionsOf(SHOP, START_MS + 1000), OPERATOR);
    clock.timeMs = START_MS + 999;
    expect(keys.identify({ token: text })).toMatchObject({ expiresMs: START_MS + 1000 });
    clock.timeMs = START_MS + 1000;
    expect(() => keys.identify({ token: text })).toThrow(expect.objectContaining({ code: 'token_expired' }));
  });
});

describe('an attacker', () => {
  test('with a wrong secret receives the same answer for a known id as for an unknown one', () => {
    const { keys } = openTestIdentity();
    const { key, text } = keys.create(optionsOf(SHOP, START_MS + 1000), OPERATOR);
    const tries = [
      createKeyText(key.id).text,
      createKeyText().text,
      text.slice(0, -1) + (text.endsWith('a') ? 'b' : 'a'),
      text.slice(0, -1),
      text + 'a',
      text.toUpperCase(),
      ` ${text}`,
      'pck_',
      'pck___',
      `pck_${key.id}_`,
      `pck_${'0'.repeat(12)}_${'0'.repeat(32)}`,
      `${text}\n`,
      'pck_' + 'x'.repeat(100_000),
    ].filter((token) => token.startsWith('pck_'));
    const answers = tries.map((token) => {
      try {
        return keys.identify({ token });
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        return `${code} ${message}`;
      }
    });
    expect(new Set(answers)).toEqual(new Set(['unauthorized The key is not valid.']));
  });

  test("with one key's secret and another key's id is refused", () => {
    const { keys } = openTestIdentity();
    const one = keys.create(optionsOf(), OPERATOR);
    const other = keys.create(optionsOf(ALL_SCOPES), OPERATOR);
    const mixed = `pck_${other.key.id}_${one.text.slice(-32)}`;
    expect(() => keys.identify({ token: mixed })).toThrow(expect.objectContaining({ code: 'unauthorized' }));
  });

  test('with a wrong secret does not learn that a key has expired', () => {
    const { keys, clock } = openTestIdentity();
    const { key } = keys.create(optionsOf(SHOP, START_MS + 1000), OPERATOR);
    clock.timeMs = START_MS + 5000;
    expect(() => keys.identify({ token: createKeyText(key.id).text })).toThrow(
      expect.objectContaining({ code: 'unauthorized' }),
    );
  });

  test('with the name of a built-in member as the id is refused', () => {
    const { keys } = openTestIdentity();
    for (const id of ['__proto__', 'constructor', 'hasOwnPropert'])
      expect(() => keys.identify({ token: `pck_${id.padEnd(12, '0').slice(0, 12)}_${'0'.repeat(32)}` })).toThrow(
        'The key is not valid.',
      );
  });

  test('cannot measure the comparison: it compares hashes of equal length, whatever was sent', () => {
    expect(keyHash('')).toHaveLength(32);
    expect(keyHash('pck_' + 'x'.repeat(100_000))).toHaveLength(32);
  });
});

describe('rotation', () => {
  test('both secrets are valid during the overlap, and only the new one after it', () => {
    const { keys, clock, ended } = openTestIdentity();
    const first = keys.create(optionsOf(), OPERATOR);
    clock.timeMs += 10;
    const second = keys.rotate(first.key.id, 60_000, OPERATOR);
    expect(second?.key.id).toBe(first.key.id);
    expect(keys.identify({ token: first.text })).toMatchObject({ expiresMs: START_MS + 60_010, issuedMs: START_MS });
    expect(keys.identify({ token: second?.text })).toMatchObject({ expiresMs: Infinity, issuedMs: START_MS + 10 });
    // A live session keeps its principal: no secret has ended yet.
    expect(ended).toEqual([{ key: first.key.id, issuedBeforeMs: START_MS }]);
    clock.timeMs = START_MS + 60_010;
    expect(() => keys.identify({ token: first.text })).toThrow(expect.objectContaining({ code: 'unauthorized' }));
    keys.maintain(clock.timeMs);
    expect(ended.at(-1)).toEqual({ key: first.key.id, issuedBeforeMs: START_MS + 10 });
    expect(keys.get(first.key.id)?.secrets).toHaveLength(1);
    expect(keys.identify({ token: second?.text })).toMatchObject({ key: first.key.id });
  });

  test('without overlap the old secret is invalid immediately, and its sessions end', () => {
    const { keys, ended } = openTestIdentity();
    const first = keys.create(optionsOf(), OPERATOR);
    const second = keys.rotate(first.key.id, 0, OPERATOR);
    expect(() => keys.identify({ token: first.text })).toThrow(expect.objectContaining({ code: 'unauthorized' }));
    // The two secrets differ in their dates, although they were created in the same millisecond.
    expect(ended).toEqual([{ key: first.key.id, issuedBeforeMs: START_MS + 1 }]);
    expect(keys.identify({ token: second?.text })).toMatchObject({ issuedMs: START_MS + 1 });
  });

  test('of a key that was revoked in the same millisecond yields a valid key', async () => {
    const { keys, revocations, clock } = openTestIdentity();
    const { key, text } = keys.create(optionsOf(), OPERATOR);
    await revocations.revoke({ kind: 'key', name: key.id, issuedBeforeMs: issuedBeforeNowMs(clock) }, OPERATOR);
    expect(revocations.isRevoked(keys.identify({ token: text }) as Principal)).toBe(true);
    const rotated = keys.rotate(key.id, 1000, OPERATOR);
    expect(revocations.isRevoked(keys.identify({ token: rotated?.text }) as Principal)).toBe(false);
    // The old secret is still in its overlap, and it is revoked all the same.
    expect(revocations.isRevoked(keys.identify({ token: text }) as Principal)).toBe(true);
  });

  test('a second rotation invalidates the secret before the previous one', () => {
    const { keys } = openTestIdentity();
    const first = keys.create(optionsOf(), OPERATOR);
    const second = keys.rotate(first.key.id, 60_000, OPERATOR);
    const third = keys.rotate(first.key.id, 60_000, OPERATOR);
    expect(() => keys.identify({ token: first.text })).toThrow('The key is not valid.');
    expect(keys.identify({ token: second?.text })).toMatchObject({ kind: 'server' });
    expect(keys.identify({ token: third?.text })).toMatchObject({ kind: 'server' });
  });

  test('that is repeated after a refusal keeps the secret that clients have, for the new overlap', async () => {
    const { keys, clock } = openTestIdentity();
    const changes = localKeyChanges(keys);
    const { key, text } = await changes.create(optionsOf(), () => OPERATOR);
    const rotate = async (): Promise<CreatedKey | undefined> => await changes.rotate(key.id, 60_000, () => OPERATOR);
    const whenDurable = keys.whenDurable.bind(keys);
    for (let count = 0; count < 2; count++) {
      clock.timeMs += 10;
      keys.whenDurable = () => Promise.reject(new PolycastError('log_unavailable'));
      await expect(rotate()).rejects.toThrow(ERRORS.log_unavailable.title);
    }
    keys.whenDurable = whenDurable;
    clock.timeMs += 10;
    const second = await rotate();
    expect(keys.identify({ token: text })).toMatchObject({ expiresMs: START_MS + 60_030, issuedMs: START_MS });
    expect(keys.identify({ token: second?.text })).toMatchObject({ expiresMs: Infinity });
    // The next one is an ordinary rotation again.
    const third = await rotate();
    expect(() => keys.identify({ token: text })).toThrow('The key is not valid.');
    expect(keys.identify({ token: second?.text })).toMatchObject({ kind: 'server' });
    expect(keys.identify({ token: third?.text })).toMatchObject({ kind: 'server' });
  });

  test('an overlap continues across a restart, and ends in time without requests', () => {
    const folder = temporaryFolder();
    const before = openTestIdentity(folder);
    const first = before.keys.create(optionsOf(), OPERATOR);
    const second = before.keys.rotate(first.key.id, 60_000, OPERATOR);
    before.close();
    const during = openTestIdentity(folder, {}, START_MS + 30_000);
    expect(during.keys.identify({ token: first.text })).toMatchObject({ kind: 'server' });
    during.close();
    const after = openTestIdentity(folder, {}, START_MS + 60_001);
    expect(() => after.keys.identify({ token: first.text })).toThrow('The key is not valid.');
    expect(after.keys.identify({ token: second?.text })).toMatchObject({ kind: 'server' });
  });
});

describe('keys are stored', () => {
  test('with all their properties', () => {
    const folder = temporaryFolder();
    const before = openTestIdentity(folder);
    const { key, text } = before.keys.create(optionsOf(SHOP, START_MS + 1e9), OPERATOR);
    before.close();
    const after = openTestIdentity(folder, {}, START_MS + 1);
    expect(after.keys.list()).toEqual([
      { ...key, secrets: [{ ...key.secrets[0], hash: new Uint8Array(keyHash(text)) }] },
    ]);
    expect(after.keys.identify({ token: text })).toMatchObject({ grants: SHOP });
  });

  test('and the time of their last use, with a delay of at most a minute', () => {
    const folder = temporaryFolder();
    const { keys, clock, close } = openTestIdentity(folder);
    const { key, text } = keys.create(optionsOf(), OPERATOR);
    keys.maintain(START_MS);
    clock.timeMs = START_MS + 30_000;
    keys.identify({ token: text });
    expect(keys.get(key.id)?.lastUsedMs).toBe(START_MS + 30_000);
    keys.maintain(START_MS + 59_999);
    const other = openTestIdentity(folder);
    expect(other.keys.get(key.id)?.lastUsedMs).toBeUndefined();
    keys.maintain(START_MS + 60_000);
    expect(openTestIdentity(folder).keys.get(key.id)?.lastUsedMs).toBe(START_MS + 30_000);
    close();
  });

  test('up to the limit', () => {
    const { keys } = openTestIdentity(undefined, { keysMax: 2 });
    keys.create(optionsOf(), OPERATOR);
    keys.create(optionsOf(), OPERATOR);
    expect(() => keys.create(optionsOf(), OPERATOR)).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });

  test('a revoked one is invalid immediately and permanently, and its sessions end', async () => {
    const folder = temporaryFolder();
    const { keys, ended, close } = openTestIdentity(folder);
    const { key, text } = keys.create(optionsOf(), OPERATOR);
    const revoking = keys.revoke(key.id, OPERATOR);
    expect(ended).toEqual([{ key: key.id, issuedBeforeMs: Infinity }]);
    expect(() => keys.identify({ token: text })).toThrow('The key is not valid.');
    await revoking;
    expect(keys.revoke(key.id, OPERATOR)).toBeUndefined();
    close();
    expect(() => openTestIdentity(folder).keys.identify({ token: text })).toThrow('The key is not valid.');
  });

  test('one that the disk does not store is revoked in memory, is retried until it is stored, and survives every restart', async () => {
    const folder = temporaryFolder();
    const { keys, logged, audit, maintain: upkeep, close } = openTestIdentity(folder);
    const [first, second] = [keys.create(optionsOf(), OPERATOR), keys.create(optionsOf(), OPERATOR)];
    using other = new DatabaseSync(join(folder, IDENTITY_FILE));
    const fill = (): void =>
      other.exec("CREATE TRIGGER full BEFORE DELETE ON key BEGIN SELECT RAISE(ABORT, 'no room'); END");
    fill();
    const refusal = expect.objectContaining({ code: 'log_unavailable', message: expect.stringContaining('in force') });
    await expect(keys.revoke(first.key.id, OPERATOR)).rejects.toThrow(refusal);
    await expect(keys.revoke(first.key.id, OPERATOR)).rejects.toThrow(refusal);
    expect(() => keys.identify({ token: first.text })).toThrow('not valid');
    expect(keys.get(first.key.id)).toBeUndefined();
    for (let turn = 0; turn < 3; turn++) upkeep();
    // Other changes in the meantime are independent of the failed write.
    const made = keys.create(optionsOf(), OPERATOR);
    await keys.whenDurable();
    other.exec('DROP TRIGGER full');
    await keys.revoke(first.key.id, OPERATOR);
    expect(keys.revoke(first.key.id, OPERATOR)).toBeUndefined();
    fill();
    await expect(keys.revoke(second.key.id, OPERATOR)).rejects.toThrow(refusal);
    other.exec('DROP TRIGGER full');
    const deeds = (of: readonly object[]): number =>
      of.filter((deed) => (deed as { action: string }).action === 'key.revoked').length;
    expect([deeds(logged), deeds(audit.page(Infinity, 10))]).toEqual([2, 1]);
    close();
    const after = openTestIdentity(folder);
    expect(after.keys.list().map(({ id }) => id)).toEqual([made.key.id]);
    expect(deeds(after.audit.page(Infinity, 10))).toBe(2);
  });

  test('changes that the hub could not store before its end are reported', async () => {
    const folder = temporaryFolder();
    const { keys, errors, close } = openTestIdentity(folder);
    const { key } = keys.create(optionsOf(), OPERATOR);
    await keys.whenDurable();
    using other = new DatabaseSync(join(folder, IDENTITY_FILE));
    other.exec("CREATE TRIGGER full BEFORE DELETE ON key BEGIN SELECT RAISE(ABORT, 'no room'); END");
    await expect(keys.revoke(key.id, OPERATOR)).rejects.toThrow(/in force/);
    close();
    expect(errors).toEqual([
      expect.stringContaining('no room'),
      expect.stringContaining('may be accepted after a restart'),
    ]);
  });

  test('a key that the disk refuses is logged as not created', () => {
    const folder = temporaryFolder();
    const { keys, logged, errors } = openTestIdentity(folder);
    using other = new DatabaseSync(join(folder, IDENTITY_FILE));
    other.exec("CREATE TRIGGER full BEFORE UPDATE ON committed BEGIN SELECT RAISE(ABORT, 'no room'); END");
    for (let turn = 0; turn < 2; turn++)
      expect(() => keys.create(optionsOf(), OPERATOR)).toThrow(ERRORS.log_unavailable.title);
    expect([keys.list(), logged]).toEqual([[], []]);
    expect(errors).toEqual([expect.stringContaining('no room')]);
  });

  test('a key whose scopes are reduced ends its sessions; another name does not', () => {
    const { keys, ended } = openTestIdentity();
    const { key, text } = keys.create(optionsOf(ALL_SCOPES), OPERATOR);
    keys.change(key.id, { name: 'other' }, OPERATOR);
    expect(ended).toEqual([]);
    keys.change(key.id, { scopes: SHOP }, OPERATOR);
    expect(ended).toEqual([{ key: key.id, issuedBeforeMs: Infinity }]);
    expect(keys.identify({ token: text })).toMatchObject({ grants: SHOP });
  });
});

describe('a session of a key that has changed', () => {
  const come = (scopes: Grants = ALL_SCOPES) => {
    const identity = openTestIdentity();
    const { key, text } = identity.keys.create(optionsOf(scopes), OPERATOR);
    const principal = identity.keys.identify({ token: text }) as Principal;
    return { ...identity, id: key.id, principal, stands: () => !identity.revocations.isRevoked(principal) };
  };

  test('is invalid after a revocation', () => {
    const { keys, id, stands } = come();
    expect(stands()).toBe(true);
    keys.revoke(id, OPERATOR);
    expect(stands()).toBe(false);
  });

  test('is invalid after a change of its scopes or expiry', () => {
    for (const change of [{ scopes: SHOP }, { expiresMs: START_MS }]) {
      const { keys, id, stands } = come();
      keys.change(id, { name: 'another' }, OPERATOR);
      expect(stands()).toBe(true);
      keys.change(id, change, OPERATOR);
      expect(stands()).toBe(false);
    }
  });

  test('is valid for as long as its secret', () => {
    const { keys, clock, id, stands } = come();
    keys.rotate(id, 1000, OPERATOR);
    expect(stands()).toBe(true);
    clock.timeMs += 1000;
    expect(stands()).toBe(false);
  });

  test('is not confused with a session of the new secret', () => {
    const { keys, id, principal, stands, revocations } = come();
    const rotated = keys.rotate(id, 0, OPERATOR);
    expect(stands()).toBe(false);
    expect(revocations.isRevoked(keys.identify({ token: rotated?.text }) as Principal)).toBe(false);
    expect(revocations.isRevoked({ ...principal, grants: { ...principal.grants } })).toBe(true);
  });
});

describe('the first key', () => {
  test('is created once per folder, with all permissions', () => {
    const folder = temporaryFolder();
    const first = openTestIdentity(folder);
    const text = first.keys.createFirst();
    expect(first.keys.identify({ token: text })).toMatchObject({ grants: ALL_SCOPES });
    expect(first.keys.createFirst()).toBeUndefined();
    first.close();
    expect(openTestIdentity(folder).keys.createFirst()).toBeUndefined();
  });

  test('is not created again after all keys were revoked', () => {
    const folder = temporaryFolder();
    const first = openTestIdentity(folder);
    first.keys.createFirst();
    for (const { id } of first.keys.list()) first.keys.revoke(id, OPERATOR);
    first.close();
    expect(openTestIdentity(folder).keys.createFirst()).toBeUndefined();
  });

  test('is not created if a key exists', () => {
    const { keys } = openTestIdentity();
    keys.create(optionsOf(), OPERATOR);
    expect(keys.createFirst()).toBeUndefined();
  });
});

describe('scopes', () => {
  test.each<[unknown, RegExp]>([
    [undefined, /object/],
    [null, /object/],
    ['admin', /object/],
    [['admin'], /object/],
    [{}, /must name/],
    [{ everything: ['>'] }, /not one of/],
    [{ publish: [] }, /list/],
    [{ publish: '>' }, /list/],
    [{ publish: ['a..b'] }, /must contain channels and patterns only/],
    [{ publish: [1] }, /must contain channels and patterns only/],
    [{ publish: ['orders.{user}'] }, /must contain channels and patterns only/],
    [{ admin: ['orders.>'] }, /whole hub/],
    [{ admin: ['>', '>'] }, /whole hub/],
    [{ users: ['42'] }, /whole hub/],
    [{ publish: Array.from({ length: 101 }, () => 'a') }, /list/],
    [JSON.parse('{"__proto__": [">"]}'), /not one of/],
  ])('%j is refused', (value, why) => {
    expect(scopesProblem(value)).toMatch(why);
  });

  test('are described in words', () => {
    expect(scopesProblem(ALL_SCOPES)).toBeUndefined();
    expect(scopeTexts(ALL_SCOPES)).toEqual(['publish', 'subscribe', 'subscriptions', 'users', 'admin']);
    expect(scopeTexts({ admin: ['>'], publish: ['a', 'b.>'] })).toEqual(['publish:a', 'publish:b.>', 'admin']);
  });
});
