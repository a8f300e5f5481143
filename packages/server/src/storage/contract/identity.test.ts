import { describe, expect, onTestFinished, test } from 'vitest';
import type {
  AuditEntry,
  IdentityChange,
  IdentityStore,
  NewAuditEntry,
  StoredKey,
  StoredRevocation,
} from '../../core/access/identity-store.ts';
import type { StoredPortalLink } from '../../core/access/portal-link.ts';
import type { Erasure } from '../../core/erasure.ts';
import { ALL_SCOPES } from '../../core/access/scopes.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { createMemoryIdentity, createMemoryIdentityStore } from '../memory/memory-identity-store.ts';
import { openIdentityStore } from '../sqlite/identity/sqlite-identity-store.ts';

/** Tests for the contract of `IdentityStore`. A home gives a store that can be opened again. */
const HOMES: Readonly<Record<string, () => () => IdentityStore>> = {
  memory: () => {
    const identity = createMemoryIdentity();
    return () => createMemoryIdentityStore(AUDIT_ENTRIES_MAX, identity);
  },
  sqlite: () => {
    const folder = temporaryFolder();
    const logger = { error: (fields: object) => expect.unreachable(JSON.stringify(fields)) };
    return () => openIdentityStore({ folder, auditEntriesMax: AUDIT_ENTRIES_MAX, logger });
  },
};

const AUDIT_ENTRIES_MAX = 5;
/** An error of the closed store, or of its closed file. */
const REFUSAL = /clos|not open/;

function keyOf(id: string, parts: Partial<StoredKey> = {}): StoredKey {
  return {
    id,
    name: 'shop',
    scopes: ALL_SCOPES,
    createdMs: 1_000,
    expiresMs: undefined,
    lastUsedMs: undefined,
    secrets: [secretOf(1, 1_000)],
    ...parts,
  };
}

function secretOf(byte: number, createdMs: number, expiresMs?: number): StoredKey['secrets'][number] {
  return { hash: new Uint8Array(32).fill(byte), createdMs, expiresMs };
}

function put(key: StoredKey): IdentityChange {
  return { kind: 'key', key };
}

function revocationOf(name: string, keptUntilMs: number, parts: Partial<StoredRevocation> = {}): StoredRevocation {
  return { kind: 'user', name, issuedBeforeMs: 500, keptUntilMs, ...parts };
}

function revoke(...of: Parameters<typeof revocationOf>): IdentityChange {
  return { kind: 'revocation', revocation: revocationOf(...of) };
}

function audit(subject: string, parts: Partial<NewAuditEntry> = {}): IdentityChange {
  return {
    kind: 'audit',
    entry: { timeMs: 7, action: 'test.done', subject, by: { kind: 'hub' }, detail: {}, ...parts },
  };
}

function subjects(entries: readonly AuditEntry[]): string {
  return entries.map(({ subject }) => subject).join('');
}

describe.each(Object.keys(HOMES))('%s', (name) => {
  /** Each opening closes the store that was open before. */
  function opener(): () => IdentityStore {
    const open = HOMES[name]?.() as () => IdentityStore;
    const opened: IdentityStore[] = [];
    const close = (): void => opened.forEach((store) => store.close());
    onTestFinished(close);
    return () => {
      close();
      opened.push(open());
      return opened.at(-1) as IdentityStore;
    };
  }

  test('a new store is empty', () => {
    const store = opener()();
    expect(store.load()).toEqual({
      keys: [],
      hasEverHadKeys: false,
      revocations: [],
      portalLinks: [],
      erasures: [],
      hasLostCommits: false,
    });
    expect(store.auditPage(Infinity, 10)).toEqual([]);
  });

  test('a portal link is there after a reopening, until it has expired', async () => {
    const open = opener();
    const link = (id: string, expiresMs: number): StoredPortalLink => ({
      id,
      hash: `hash of ${id}`,
      owner: 'acme',
      channels: ['customers.acme.>'],
      theme: { accent: '#123456' },
      key: 'k',
      createdMs: 1_000,
      expiresMs,
    });
    let store = open();
    for (const each of [link('b', 3_000), link('a', 2_000)]) store.write([{ kind: 'portal_link', link: each }]);
    await store.whenDurable();
    store.close();
    store = open();
    expect(store.load().portalLinks.toSorted((one, other) => one.expiresMs - other.expiresMs)).toEqual([
      link('a', 2_000),
      link('b', 3_000),
    ]);
    store.write([{ kind: 'portal_links_pruned', beforeMs: 2_500 }]);
    expect(store.load().portalLinks).toEqual([link('b', 3_000)]);
    store.close();
  });

  test('a requested erasure is there after a reopening, until it is finished', async () => {
    const open = opener();
    const erasure = (id: string, requestedMs: number): Erasure => ({
      id,
      kind: 'user',
      name: 'ann',
      epoch: '0t24qj92dx',
      after: 0,
      through: 9,
      requestedMs,
      by: { kind: 'server', key: 'k' },
    });
    let store = open();
    store.write([
      { kind: 'erasure', erasure: erasure('era_2', 2_000) },
      { kind: 'erasure', erasure: erasure('era_1', 1_000) },
    ]);
    await store.whenDurable();
    store.close();
    store = open();
    expect(
      store
        .load()
        .erasures.map(({ id }) => id)
        .toSorted(),
    ).toEqual(['era_1', 'era_2']);
    expect(store.load().erasures.find(({ id }) => id === 'era_1')).toEqual(erasure('era_1', 1_000));
    store.write([{ kind: 'erasure_finished', id: 'era_1' }]);
    store.close();
    store = open();
    expect(store.load().erasures.map(({ id }) => id)).toEqual(['era_2']);
    store.close();
  });

  test('keys exist after a reopening, the oldest first, with the newest secret first', () => {
    const open = opener();
    const secrets = [secretOf(2, 3_000), secretOf(1, 1_000, 9_000)];
    const rotated = keyOf('b', { name: 'ünï', expiresMs: 5_000, scopes: { publish: ['a.>'] }, secrets });
    open().write([put(keyOf('c', { createdMs: 2_000 })), put(keyOf('b')), put(keyOf('a')), put(rotated)]);
    const { keys, hasEverHadKeys, hasLostCommits } = open().load();
    expect(keys).toEqual([keyOf('a'), rotated, keyOf('c', { createdMs: 2_000 })]);
    expect([hasEverHadKeys, hasLostCommits]).toEqual([true, false]);
  });

  test('a new version of a key does not change its last use', () => {
    const open = opener();
    const store = open();
    store.write([put(keyOf('a'))]);
    store.write([
      { kind: 'key_used', id: 'a', lastUsedMs: 4_000 },
      { kind: 'key_used', id: 'unknown', lastUsedMs: 4_000 },
    ]);
    store.write([put(keyOf('a', { name: 'other' }))]);
    expect(open().load().keys).toEqual([keyOf('a', { name: 'other', lastUsedMs: 4_000 })]);
  });

  test('a removed key does not exist, but the store knows that there was one', () => {
    const open = opener();
    open().write([put(keyOf('a')), { kind: 'key_removed', id: 'a' }]);
    expect(open().load()).toMatchObject({ keys: [], hasEverHadKeys: true });
  });

  test('revocations by kind and name: the last one is valid', () => {
    const open = opener();
    open().write([
      revoke('ann', 30),
      revoke('ann', 10, { kind: 'token' }),
      revoke('ann', 20, { issuedBeforeMs: 600 }),
      revoke('', 40),
      revoke('bob', 30, { kind: 'key' }),
      { kind: 'revocation_removed', of: 'key', name: 'bob' },
      { kind: 'revocation_removed', of: 'key', name: 'ann' },
    ]);
    expect(open().load().revocations).toEqual([
      revocationOf('ann', 10, { kind: 'token' }),
      revocationOf('ann', 20, { issuedBeforeMs: 600 }),
      revocationOf('', 40),
    ]);
  });

  test('unneeded revocations are pruned', () => {
    const open = opener();
    open().write([revoke('ann', 10), revoke('bob', 11), { kind: 'revocations_pruned', beforeMs: 11 }]);
    expect(open().load().revocations).toEqual([revocationOf('bob', 11)]);
  });

  test('the newest audit entries remain, in pages, and no id is used twice', () => {
    const open = opener();
    const store = open();
    store.write([...'abcd'].map((subject) => audit(subject)));
    store.write([...'efgh'].map((subject) => audit(subject)));
    expect(subjects(store.auditPage(Infinity, 3))).toBe('hgf');
    expect(subjects(store.auditPage(store.auditPage(Infinity, 3)[2]?.id as number, 3))).toBe('ed');
    const last = store.auditPage(Infinity, 1)[0]?.id as number;
    const again = open();
    again.write([audit('i', { by: { kind: 'operator', user: 'root', name: 'x' }, detail: { a: [1], b: undefined } })]);
    expect(again.auditPage(Infinity, 1)).toEqual([
      {
        id: last + 1,
        timeMs: 7,
        action: 'test.done',
        subject: 'i',
        by: { kind: 'operator', user: 'root', name: 'x' },
        detail: { a: [1] },
      },
    ]);
    expect(again.auditPage(last - 3, 10)).toEqual([]);
  });

  test('deferred changes are in the order of the calls, and durable when they resolve', async () => {
    const open = opener();
    const store = open();
    const writing = Promise.all([...'abc'].map((subject) => store.writeSoon(() => [audit(subject)])));
    expect(subjects(store.auditPage(Infinity, 10))).toBe('cba');
    await writing;
    await store.whenDurable();
    expect(subjects(open().auditPage(Infinity, 10))).toBe('cba');
  });

  test('immediate changes are reported once they are durable, after the call has returned', async () => {
    const open = opener();
    const store = open();
    const calls: string[] = [];
    const written = store.writeInForce(
      () => [revoke('ann', 10), audit('a')],
      () => void calls.push('stored'),
    );
    calls.push('returned');
    await written.then(() => calls.push('resolved'));
    expect(calls).toEqual(['returned', 'stored', 'resolved']);
    await store.retryWrites();
    const again = open();
    expect(again.load().revocations).toEqual([revocationOf('ann', 10)]);
    expect(subjects(again.auditPage(Infinity, 10))).toBe('a');
  });

  test('waiting changes are written at the end', async () => {
    const open = opener();
    const store = open();
    const written = [store.writeSoon(() => [audit('a')]), store.writeInForce(() => [audit('b')])];
    expect(subjects(open().auditPage(Infinity, 10))).toBe('ba');
    await Promise.all(written);
  });

  test("its maintenance executes the caller's writes, and throws their errors", async () => {
    const store = opener()();
    await store.whenWritable();
    store.maintain(() => store.write([audit('a')]));
    expect(subjects(store.auditPage(Infinity, 10))).toBe('a');
    const failing = (): never => {
      throw new Error('no');
    };
    expect(() => store.maintain(failing)).toThrow('no');
  });

  test('a closed store refuses changes', async () => {
    const store = opener()();
    store.close();
    expect(() => store.write([audit('a')])).toThrow(REFUSAL);
    await expect(store.writeSoon(() => [audit('a')])).rejects.toThrow(REFUSAL);
    await expect(store.writeInForce(() => [audit('a')])).rejects.toThrow(REFUSAL);
  });
});
