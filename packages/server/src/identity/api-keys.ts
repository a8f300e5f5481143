import { PolycastError } from '@polycast/protocol';
import { isDeepStrictEqual } from 'node:util';
import type { Credentials } from '../core/access/authority.ts';
import type { Clock } from '../core/ports.ts';
import type { Actor, AuditRecord } from '../core/audit.ts';
import type { Grants, Principal, Revocation } from '../core/access/principal.ts';
import type { AuditLog } from './audit.ts';
import type { Identifier } from './authority.ts';
import { reachIdentity } from './current-authority.ts';
import { KEY_PREFIX, keyHash, keyIdOf, createKeyText } from './key-text.ts';
import { LiveKey, matchingSecret } from './live-key.ts';
import { ALL_SCOPES, scopeTexts } from '../core/access/scopes.ts';
import type {
  AwaitedWrites,
  IdentityChange,
  StoredIdentity,
  StoredKey,
  StoredSecret,
  WritesInForce,
} from '../core/access/identity-store.ts';

/** The settings of a new or a changed key. */
export interface KeyOptions {
  readonly name: string;
  readonly scopes: Grants;
  /** Milliseconds since 1970. `undefined`: the key never expires. */
  readonly expiresMs: number | undefined;
}

/** A key and its text. The hub cannot show the text again, because it stores the hash only. */
export interface CreatedKey {
  readonly key: StoredKey;
  readonly text: string;
}

export interface ApiKeysParts {
  readonly store: AwaitedWrites & WritesInForce;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly countMax: number;
  /**
   * The revocation date of a key id, in milliseconds since 1970: secrets from before it are
   * revoked. The key's present secrets do not count here.
   */
  readonly revokedBefore: (id: string) => number;
  /** Ends the sessions of a key that has been deleted, rotated or changed. */
  readonly onEnded: (revocation: Revocation) => void;
  /**
   * Waits until all keys of other hubs are known here. Absent where one hub has the keys.
   * @throws PolycastError `log_unavailable`
   */
  readonly reach?: (() => Promise<void>) | undefined;
}

/**
 * The API keys of the site's servers (PROTOCOL.md section 13.1).
 *
 * A key has one secret, or two for a while after a rotation. The disk has only hashes of them;
 * requests are checked from memory. Example: `pck_<id>_<secret>` is looked up by its id, then the
 * hash of the whole text is compared.
 *
 * This class does not check whether the caller may change keys. The callers do that.
 */
export class ApiKeys implements Identifier {
  /** Requests that presented a key, by outcome. */
  readonly stats: { accepted: number; refused: number } = { accepted: 0, refused: 0 };
  readonly #parts: ApiKeysParts;
  readonly #keys = new Map<string, LiveKey>();
  /**
   * Revoked keys that the file still contains, by id. The promise resolves when the file has
   * dropped the key.
   */
  readonly #pendingRevocations = new Map<string, Promise<void>>();
  readonly #recentlyUsed = new Set<LiveKey>();
  /** The newest secrets of keys whose rotation was refused: nobody has their texts. By key id. */
  readonly #unknownSecrets = new Map<string, Uint8Array>();
  #lastUsedWrittenMs = -Infinity;
  #hasEverHadKeys: boolean;

  /** @param stored the keys that the store had at its opening */
  constructor(parts: ApiKeysParts, stored: Pick<StoredIdentity, 'keys' | 'hasEverHadKeys'>) {
    this.#parts = parts;
    this.#hasEverHadKeys = stored.hasEverHadKeys;
    for (const key of stored.keys) this.#keys.set(key.id, new LiveKey(key));
    parts.audit.keyName = (id) => this.#keys.get(id)?.stored.name;
  }

  /**
   * Resolves when a key can be written. Callers await it before `create`, `rotate` and `change`,
   * and check the caller's rights after it.
   */
  whenWritable(): Promise<void> {
    return this.#parts.store.whenWritable();
  }

  /**
   * Resolves when all changes of keys are durable. No change is answered before that.
   * @throws PolycastError `log_full`, `log_unavailable`
   */
  async whenDurable(): Promise<void> {
    await this.#parts.store.whenDurable();
  }

  /** All keys, the oldest first. */
  list(): readonly StoredKey[] {
    return [...this.#keys.values()].map(({ stored }) => stored);
  }

  get count(): number {
    return this.#keys.size;
  }

  get(id: string): StoredKey | undefined {
    return this.#keys.get(id)?.stored;
  }

  /** The principal of a key, for explanations of its rights. */
  principalOf(id: string): Principal | undefined {
    return this.#keys.get(id)?.secrets[0]?.principal;
  }

  /**
   * The principal of the key's secret that was created at this time, while that secret is valid.
   */
  principalSince(id: string, issuedMs: number): Principal | undefined {
    const nowMs = this.#parts.clock.nowMs();
    const secrets = this.#keys.get(id)?.secrets ?? [];
    return secrets.find(({ principal }) => principal.issuedMs === issuedMs && principal.expiresMs > nowMs)?.principal;
  }

  /** @throws PolycastError `overloaded` at `countMax` keys, `log_full`, `log_unavailable` */
  create(options: KeyOptions, by: Actor): CreatedKey {
    const { countMax } = this.#parts;
    if (this.#keys.size >= countMax) throw tooManyKeys(countMax);
    const created = this.newKey(options);
    this.#put(keyRecord(created.key, 'key.created', by), created.key);
    return created;
  }

  /** A key that does not exist yet. */
  newKey({ name, scopes, expiresMs }: KeyOptions): CreatedKey {
    const createdMs = this.#parts.clock.nowMs();
    const { id, text } = createKeyText();
    const secrets = [{ hash: keyHash(text), createdMs, expiresMs: undefined }];
    return { key: { id, name, scopes, createdMs, expiresMs, lastUsedMs: undefined, secrets }, text };
  }

  /**
   * Creates the first key of a data folder, with all scopes. Returns `undefined` if the folder has
   * ever had a key.
   */
  createFirst(): string | undefined {
    return this.isFirst ? this.create(FIRST_KEY, { kind: 'hub' }).text : undefined;
  }

  /** There has never been a key. */
  get isFirst(): boolean {
    return this.#keys.size === 0 && !this.#hasEverHadKeys;
  }

  /**
   * Creates a new secret for a key. The old secret remains valid for `overlapMs`.
   * A still older one, from an earlier overlap, ends now.
   * @returns undefined when there is no such key
   */
  rotate(id: string, overlapMs: number, by: Actor): CreatedKey | undefined {
    const rotated = this.rotatedKey(id, overlapMs);
    if (rotated === undefined) return undefined;
    const { key } = rotated;
    this.#put(rotationRecord(key, overlapMs, by), key);
    // Ends the sessions of secrets that the key no longer has.
    this.#parts.onEnded({ key: id, issuedBeforeMs: key.secrets.at(-1)?.createdMs ?? Infinity });
    return rotated;
  }

  /**
   * The request for a rotation is refused although it may be in force. When it is repeated, the
   * secret that clients have stays valid for the new overlap.
   */
  onRotationRefused({ id, secrets: [newest] }: StoredKey): void {
    if (newest !== undefined) this.#unknownSecrets.set(id, newest.hash);
  }

  /** A key with a new secret, which is not valid yet. `undefined`: there is no such key. */
  rotatedKey(id: string, overlapMs: number): CreatedKey | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return undefined;
    // The new secret must be later than the old one and than any revocation, even if the clock went
    // back. This date distinguishes sessions of the two secrets.
    const { clock, revokedBefore } = this.#parts;
    const nowMs = clock.nowMs();
    const createdMs = Math.max(nowMs, live.newest.createdMs + 1, revokedBefore(id));
    const { text } = createKeyText(id);
    const secrets: StoredSecret[] = [{ hash: keyHash(text), createdMs, expiresMs: undefined }];
    const inUse = this.#secretInUse(live, nowMs);
    if (overlapMs > 0 && inUse !== undefined) secrets.push({ ...inUse, expiresMs: nowMs + overlapMs });
    return { key: { ...live.stored, secrets }, text };
  }

  /**
   * The newest secret whose text was returned.
   * `undefined`: a refused rotation without overlap has ended it.
   */
  #secretInUse({ stored: { id, secrets }, newest }: LiveKey, nowMs: number): StoredSecret | undefined {
    const unknown = this.#unknownSecrets.get(id);
    if (unknown === undefined || Buffer.compare(unknown, newest.hash) !== 0) return newest;
    return secrets.slice(1).find(({ expiresMs = Infinity }) => expiresMs > nowMs);
  }

  /**
   * Changes a key. If its scopes or its expiry change, its sessions end and their clients reconnect
   * with the new settings.
   * @returns undefined when there is no such key
   */
  change(id: string, changes: Partial<KeyOptions>, by: Actor): StoredKey | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return undefined;
    const stored = { ...live.stored, ...changes };
    this.#put(keyRecord(stored, 'key.changed', by), stored);
    if ('scopes' in changes || 'expiresMs' in changes) this.#parts.onEnded({ key: id, issuedBeforeMs: Infinity });
    return stored;
  }

  /**
   * Revokes a key. It takes effect immediately, even if the disk fails. A failed write is repeated
   * in the background, and when the same revocation is requested again.
   * @returns a promise, or `undefined` when there is no such key. It resolves when the revocation
   * is durable, and rejects with `log_full` or `log_unavailable` if it is not stored yet.
   */
  revoke(id: string, by: Actor): Promise<void> | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return this.#revokeAgain(id);
    const { store, audit } = this.#parts;
    const { name } = live.stored;
    // Compose the audit entry before the deletion: the key may have revoked itself, and the entry
    // needs its name.
    const entry = audit.done({ action: 'key.revoked', subject: id, by, detail: { name } });
    this.#keys.delete(id);
    this.#unknownSecrets.delete(id);
    this.#recentlyUsed.delete(live);
    this.#parts.onEnded({ key: id, issuedBeforeMs: Infinity });
    const stored = store.writeInForce(
      () => [{ kind: 'key_removed', id }, entry],
      () => void this.#pendingRevocations.delete(id),
    );
    this.#pendingRevocations.set(id, stored);
    // The caller handles a rejection. Without a caller the write is repeated all the same.
    stored.catch(() => undefined);
    return stored;
  }

  /**
   * A revoked key that is still in the file would return after a restart. Such a key does not count
   * as "no such key".
   */
  #revokeAgain(id: string): Promise<void> | undefined {
    return this.#pendingRevocations.get(id)?.catch(() => this.#parts.store.retryWrites());
  }

  /** @throws PolycastError `unauthorized`, `token_expired` */
  identify({ token }: Pick<Credentials, 'token'>): Principal | Promise<Principal> | undefined {
    if (token === undefined || !token.startsWith(KEY_PREFIX)) return undefined;
    const id = keyIdOf(token);
    // No key has this form, so the hash is not computed.
    if (id === undefined) throw this.#credentialsError('unauthorized', 'The key is not valid.');
    const { reach } = this.#parts;
    const hash = keyHash(token);
    const principal = this.#principalOf(id, hash);
    if (principal !== undefined) return principal;
    if (reach === undefined) throw this.#credentialsError('unauthorized', 'The key is not valid.');
    return this.#identifyAfter(reach, id, hash);
  }

  /** Another hub may have created the key, or its secret, a moment ago. */
  async #identifyAfter(reach: () => Promise<void>, id: string, hash: Uint8Array): Promise<Principal> {
    await reachIdentity(reach, 'keys');
    const principal = this.#principalOf(id, hash);
    if (principal === undefined) throw this.#credentialsError('unauthorized', 'The key is not valid.');
    return principal;
  }

  /** @throws PolycastError `token_expired` */
  #principalOf(id: string, hash: Uint8Array): Principal | undefined {
    const live = this.#keys.get(id);
    const nowMs = this.#parts.clock.nowMs();
    const secret = matchingSecret(live, hash, nowMs);
    if (live === undefined || secret === undefined) return undefined;
    if (nowMs >= secret.principal.expiresMs) throw this.#credentialsError('token_expired', 'The key has expired.');
    this.stats.accepted++;
    live.usedMs = nowMs;
    this.#recentlyUsed.add(live);
    return secret.principal;
  }

  /** The principal that a secret of the key gives, by the date of the secret. */
  principalIssuedAt(id: string, issuedMs: number): Principal | undefined {
    return this.#keys.get(id)?.secrets.find(({ principal }) => principal.issuedMs === issuedMs)?.principal;
  }

  /** Applies a change that another process has stored. */
  apply(change: IdentityChange): void {
    switch (change.kind) {
      case 'key':
        return this.#applyKey(change.key);
      case 'key_removed':
        if (this.#keys.delete(change.id)) this.#parts.onEnded({ key: change.id, issuedBeforeMs: Infinity });
        return;
      case 'key_used': {
        const live = this.#keys.get(change.id);
        if (live !== undefined) live.usedMs = Math.max(live.usedMs, change.lastUsedMs);
        return;
      }
    }
  }

  /** Applies the whole state of another process. */
  replaceAll(stored: readonly StoredKey[]): void {
    const ids = new Set(stored.map(({ id }) => id));
    for (const id of this.#keys.keys()) if (!ids.has(id)) this.apply({ kind: 'key_removed', id });
    for (const key of stored) this.#applyKey(key);
  }

  /** Sessions of the key go on if their secret and the key's rights are the same. */
  #applyKey(key: StoredKey): void {
    const known = this.#keys.get(key.id)?.stored;
    const hasSameScopes = known !== undefined && isDeepStrictEqual(known.scopes, key.scopes);
    this.#keys.set(key.id, new LiveKey(hasSameScopes ? { ...key, scopes: known.scopes } : key));
    if (known === undefined) return;
    const isUnchanged = hasSameScopes && known.expiresMs === key.expiresMs;
    const oldest = key.secrets.at(-1)?.createdMs ?? Infinity;
    this.#parts.onEnded({ key: key.id, issuedBeforeMs: isUnchanged ? oldest : Infinity });
  }

  /**
   * Whether a key no longer gives this principal: it was deleted, changed or rotated, or it has
   * expired.
   */
  isNoLongerValid({ key = '', grants, issuedMs }: Principal): boolean {
    const live = this.#keys.get(key);
    const nowMs = this.#parts.clock.nowMs();
    const isSame = (one: Principal): boolean =>
      one.issuedMs === issuedMs && one.grants === grants && one.expiresMs > nowMs;
    return live?.secrets.some(({ principal }) => isSame(principal)) !== true;
  }

  /**
   * Ends old secrets after their overlap, and writes the times of last use. Called about once a
   * second.
   */
  maintain(nowMs: number): void {
    for (const live of this.#keys.values()) {
      const [, old] = live.stored.secrets;
      if (old?.expiresMs === undefined || old.expiresMs > nowMs) continue;
      const stored = { ...live.stored, secrets: [live.newest] };
      this.#keys.set(live.stored.id, new LiveKey(stored));
      this.#parts.onEnded({ key: stored.id, issuedBeforeMs: live.newest.createdMs });
      this.#parts.store.write([{ kind: 'key', key: stored }]);
    }
    if (nowMs - this.#lastUsedWrittenMs >= LAST_USED_WRITE_INTERVAL_MS) this.writeLastUsed(nowMs);
  }

  /** Writes the times of last use to the store. */
  writeLastUsed(nowMs: number): void {
    this.#lastUsedWrittenMs = nowMs;
    if (this.#recentlyUsed.size === 0) return;
    this.#parts.store.write(
      Array.from(this.#recentlyUsed, ({ stored, usedMs }) => ({ kind: 'key_used', id: stored.id, lastUsedMs: usedMs })),
    );
    this.#recentlyUsed.clear();
  }

  #credentialsError(code: 'unauthorized' | 'token_expired', detail: string): PolycastError {
    this.stats.refused++;
    return new PolycastError(code, detail);
  }

  #put(record: AuditRecord, stored: StoredKey): void {
    this.#parts.audit.write([{ kind: 'key', key: stored }], record);
    this.#hasEverHadKeys = true;
    this.#keys.set(stored.id, new LiveKey(stored));
  }
}

/** The options of the key that a hub creates at its first start. */
export const FIRST_KEY: KeyOptions = { name: 'first', scopes: ALL_SCOPES, expiresMs: undefined };

/** The audit entry of a new or a changed key. */
export function keyRecord(
  { id, name, scopes, expiresMs }: StoredKey,
  action: string,
  by: Actor,
  detail: Readonly<Record<string, unknown>> = {},
): AuditRecord {
  const expires = expiresMs === undefined ? undefined : new Date(expiresMs).toISOString();
  return { action, subject: id, by, detail: { name, scopes: scopeTexts(scopes), expires, ...detail } };
}

export function rotationRecord(key: StoredKey, overlapMs: number, by: Actor): AuditRecord {
  return keyRecord(key, 'key.rotated', by, { overlapSeconds: overlapMs / 1000 });
}

export function tooManyKeys(limit: number): PolycastError {
  return new PolycastError('overloaded', `The hub has ${limit} keys, the limit of identity.keysMax.`, { limit });
}

const LAST_USED_WRITE_INTERVAL_MS = 60_000;
