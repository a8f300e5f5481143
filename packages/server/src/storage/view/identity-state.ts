import {
  LOGIN_SIGNERS_MAX,
  type AuditEntry,
  type CommandRefusal,
  type ErasedUser,
  type LoginSigner,
  type StoredKey,
  type StoredRevocation,
} from '../../core/access/identity-store.ts';
import type { StoredPortalLink } from '../../core/access/portal-link.ts';
import type { Erasure } from '../../core/erasure.ts';
import { keyFromJson, type KeyJson } from '../shared/identity-json.ts';
import type { IdentityCommand } from './identity-command.ts';

/**
 * How a command changes the identity in a view, the same in every home. A home stores rows, and
 * this file decides: conditions, versions, and that the date of a revocation never goes back.
 */
export interface IdentityRows {
  get(kind: IdentityRowKind, name: string): string | undefined;
  put(kind: IdentityRowKind, name: string, value: string): void;
  delete(kind: IdentityRowKind, name: string): void;
  count(kind: IdentityRowKind): number;
  all(kind: IdentityRowKind): readonly string[];
  /** Appends an entry to the audit log, with the next id. */
  addAudit(entry: string): void;
}

/** `note` has the names of facts: `had keys`, `has erased`. */
export type IdentityRowKind =
  | 'key'
  | 'revocation'
  | 'note'
  | 'login signer'
  | 'portal link'
  | 'erasure'
  | 'erased user';

/** The identity in a view, as of a block. */
export interface ViewIdentity {
  readonly sequence: number;
  /** The oldest first. */
  readonly keys: readonly { readonly key: StoredKey; readonly version: number }[];
  readonly hasEverHadKeys: boolean;
  readonly revocations: readonly StoredRevocation[];
  readonly portalLinks: readonly StoredPortalLink[];
  readonly loginSigners: readonly LoginSigner[];
  /** Not finished, the oldest first. */
  readonly erasures: readonly Erasure[];
  /** The oldest erasure first. */
  readonly erasedUsers: readonly ErasedUser[];
}

/** A signer with the sequence of its newest block. */
interface SignerRow extends LoginSigner {
  readonly sequence: number;
}

/** The version of a key is the sequence of the newest block that changed it. */
interface KeyRow {
  readonly version: number;
  readonly key: KeyJson;
}

const HAD_KEYS = 'had keys';

/**
 * The note of a view whose files may have bytes of erased events. A copy of the view has them, too,
 * and so the note. A view removes it by itself, so the hash does not cover it.
 */
export const HAS_ERASED = 'has erased';

/** Users who are remembered after their erasure. Beyond it, the oldest erasure is forgotten. */
const ERASED_USERS_MAX = 1000;

/** Carries out a command, or says which condition does not hold. */
export function applyIdentity(
  rows: IdentityRows,
  { conditions = {}, changes }: IdentityCommand,
  sequence: number,
): CommandRefusal | undefined {
  const { isFirst = false, keysMax = Infinity, versions = [], erasure } = conditions;
  if (isFirst && rows.get('note', HAD_KEYS) !== undefined) return 'not_first';
  if (versions.some(([id, version]) => versionOf(rows, id) !== version)) return 'changed';
  if (rows.count('key') >= keysMax) return 'too_many';
  if (erasure !== undefined && rows.get('erasure', erasure) === undefined) return 'changed';
  for (const change of changes) applyChange(rows, change, sequence);
  return undefined;
}

/** The keys whose versions a command changes. */
export function touchedKeys({ changes }: IdentityCommand): readonly string[] {
  return changes.flatMap((change) => {
    if (change.kind === 'key') return [change.key.id];
    if (change.kind === 'key_removed') return [change.id];
    return change.kind === 'revocation' && change.revocation.kind === 'key' ? [change.revocation.name] : [];
  });
}

export function readIdentity(rows: IdentityRows, sequence: number): ViewIdentity {
  return {
    sequence,
    keys: rows
      .all('key')
      .map((text) => JSON.parse(text) as KeyRow)
      .map(({ version, key }) => ({ version, key: keyFromJson(key) }))
      .toSorted(({ key: one }, { key: other }) => one.createdMs - other.createdMs || (one.id < other.id ? -1 : 1)),
    hasEverHadKeys: rows.get('note', HAD_KEYS) !== undefined,
    revocations: rows
      .all('revocation')
      .map((text) => JSON.parse(text) as StoredRevocation)
      .toSorted((one, other) => one.keptUntilMs - other.keptUntilMs),
    portalLinks: rows.all('portal link').map(linkOf),
    loginSigners: signersOf(rows),
    erasures: rows
      .all('erasure')
      .map((text) => JSON.parse(text) as Erasure)
      .toSorted((one, other) => one.requestedMs - other.requestedMs || (one.id < other.id ? -1 : 1)),
    erasedUsers: erasedUsers(rows),
  };
}

/** An entry of the audit log, from its id and its row. */
export function auditEntry(id: number, text: string): AuditEntry {
  return { id, ...(JSON.parse(text) as Omit<AuditEntry, 'id'>) };
}

function applyChange(rows: IdentityRows, change: IdentityCommand['changes'][number], sequence: number): void {
  switch (change.kind) {
    case 'key':
      rows.put('note', HAD_KEYS, '');
      return putKey(rows, change.key, sequence);
    case 'key_used':
      return setLastUsed(rows, change.id, change.lastUsedMs);
    case 'key_removed':
      return rows.delete('key', change.id);
    case 'revocation':
      return putRevocation(rows, change.revocation, sequence);
    case 'revocation_removed':
      return rows.delete('revocation', revocationName(change.of, change.name));
    case 'revocations_pruned':
      for (const text of rows.all('revocation')) {
        const { kind, name, keptUntilMs } = JSON.parse(text) as StoredRevocation;
        if (keptUntilMs < change.beforeMs) rows.delete('revocation', revocationName(kind, name));
      }
      return;
    case 'session_revoked':
      return;
    case 'login_signer':
      return putSigner(rows, change.signer, sequence);
    case 'portal_link':
      return rows.put('portal link', change.link.id, JSON.stringify(change.link));
    case 'portal_links_pruned':
      for (const { id, expiresMs } of rows.all('portal link').map(linkOf))
        if (expiresMs < change.beforeMs) rows.delete('portal link', id);
      return;
    case 'erasure':
      return rows.put('erasure', change.erasure.id, JSON.stringify(change.erasure));
    case 'erasure_finished':
      return finishErasure(rows, change.id);
    case 'audit':
      return rows.addAudit(JSON.stringify(change.entry));
  }
}

/** The time of last use stays. */
function putKey(rows: IdentityRows, key: KeyJson, sequence: number): void {
  const lastUsedMs = keyRow(rows, key.id)?.key.lastUsedMs ?? key.lastUsedMs;
  const row = { version: sequence, key: { ...key, ...(lastUsedMs !== undefined && { lastUsedMs }) } };
  rows.put('key', key.id, JSON.stringify(row));
}

function setLastUsed(rows: IdentityRows, id: string, usedMs: number): void {
  const row = keyRow(rows, id);
  if (row === undefined) return;
  const lastUsedMs = Math.max(usedMs, row.key.lastUsedMs ?? 0);
  rows.put('key', id, JSON.stringify({ ...row, key: { ...row.key, lastUsedMs } }));
}

/** Two hubs may revoke at once. The later date stays, in either order. */
function putRevocation(rows: IdentityRows, revocation: StoredRevocation, sequence: number): void {
  const { kind, name } = revocation;
  const text = rows.get('revocation', revocationName(kind, name));
  const known = text === undefined ? revocation : (JSON.parse(text) as StoredRevocation);
  const issuedBeforeMs = Math.max(revocation.issuedBeforeMs, known.issuedBeforeMs);
  const keptUntilMs = Math.max(revocation.keptUntilMs, known.keptUntilMs);
  rows.put('revocation', revocationName(kind, name), JSON.stringify({ kind, name, issuedBeforeMs, keptUntilMs }));
  const row = kind === 'key' ? keyRow(rows, name) : undefined;
  if (row !== undefined) rows.put('key', name, JSON.stringify({ ...row, version: sequence }));
}

/** A hub repeats it at each start. */
function putSigner(rows: IdentityRows, signer: LoginSigner, sequence: number): void {
  rows.put('login signer', signer.id, JSON.stringify({ ...signer, sequence } satisfies SignerRow));
  if (rows.count('login signer') <= LOGIN_SIGNERS_MAX) return;
  const [oldest] = signersOf(rows);
  if (oldest !== undefined) rows.delete('login signer', oldest.id);
}

function finishErasure(rows: IdentityRows, id: string): void {
  const text = rows.get('erasure', id);
  if (text === undefined) return;
  rows.delete('erasure', id);
  const { kind, name: user, requestedMs } = JSON.parse(text) as Erasure;
  if (kind !== 'user') return;
  rows.put('erased user', user, JSON.stringify({ user, requestedMs } satisfies ErasedUser));
  const [oldest] = erasedUsers(rows);
  if (oldest !== undefined && rows.count('erased user') > ERASED_USERS_MAX) rows.delete('erased user', oldest.user);
}

function erasedUsers(rows: IdentityRows): readonly ErasedUser[] {
  return rows
    .all('erased user')
    .map((text) => JSON.parse(text) as ErasedUser)
    .toSorted((one, other) => one.requestedMs - other.requestedMs || (one.user < other.user ? -1 : 1));
}

/** The one that was announced least recently is first. */
function signersOf(rows: IdentityRows): readonly SignerRow[] {
  return rows
    .all('login signer')
    .map((text) => JSON.parse(text) as SignerRow)
    .toSorted((one, other) => one.sequence - other.sequence);
}

function linkOf(text: string): StoredPortalLink {
  return JSON.parse(text) as StoredPortalLink;
}

function versionOf(rows: IdentityRows, id: string): number {
  return keyRow(rows, id)?.version ?? 0;
}

function keyRow(rows: IdentityRows, id: string): KeyRow | undefined {
  const text = rows.get('key', id);
  return text === undefined ? undefined : (JSON.parse(text) as KeyRow);
}

/** No kind has a space in its name. */
function revocationName(kind: StoredRevocation['kind'], name: string): string {
  return `${kind} ${name}`;
}
