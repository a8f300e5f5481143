import { PolycastError } from '@polycast/protocol';
import { timingSafeEqual } from 'node:crypto';
import type { Actor, Clock, Credentials } from '../core/ports.ts';
import { ANONYMOUS, type Grants, type Principal, type Revocation } from '../core/access/principal.ts';
import type { AuditLog } from './audit.ts';
import type { Identifier } from './authority.ts';
import { KeyTable, type KeyRow, type SecretRow } from './key-table.ts';
import { KEY_PREFIX, keyHash, keyIdOf, createKeyText } from './key-text.ts';
import { ALL_SCOPES, scopeTexts } from './scopes.ts';
import type { IdentityStore } from '../storage/sqlite/identity/identity-store.ts';

/** What a key is to be, or to become. */
export interface KeyOptions {
  readonly name: string;
  readonly scopes: Grants;
  /** Milliseconds since 1970; `undefined`: never. */
  readonly expiresMs: number | undefined;
}

/** A key and its text, which nobody can tell afterwards. */
export interface CreatedKey {
  readonly key: KeyRow;
  readonly text: string;
}

export interface ApiKeysParts {
  readonly store: IdentityStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly countMax: number;
  /** Before when a key's secrets are revoked, those that it has now left out of account. */
  readonly revokedBefore: (id: string) => number;
  /** Ends the sessions of those whose key is no longer what it was. */
  readonly onEnded: (revocation: Revocation) => void;
}

/**
 * The keys of the site's servers (PROTOCOL.md section 13.1): kept hashed on disk, asked for in memory. Who may change them is for
 * others to decide.
 */
export class ApiKeys implements Identifier {
  /** How often a key was shown. */
  readonly stats: { accepted: number; refused: number } = { accepted: 0, refused: 0 };
  readonly #parts: ApiKeysParts;
  readonly #table: KeyTable;
  readonly #keys = new Map<string, LiveKey>();
  /** By the ids of revoked keys that are still in the file: when that is over. */
  readonly #pendingRevocations = new Map<string, Promise<void>>();
  readonly #recentlyUsed = new Set<LiveKey>();
  #lastUsedWrittenMs = -Infinity;

  constructor(parts: ApiKeysParts) {
    this.#parts = parts;
    this.#table = new KeyTable(parts.store.database);
    for (const row of this.#table.load()) this.#keys.set(row.id, new LiveKey(row));
    parts.audit.keyName = (id) => this.#keys.get(id)?.row.name;
  }

  /** Resolves when a key can be written: to be awaited before `create`, `rotate` and `change`, and the caller checked after it. */
  whenWritable(): Promise<void> {
    return this.#parts.store.whenWritable();
  }

  /** What was done to keys is durable once it resolves: nobody is answered before. @throws PolycastError `log_full`, `log_unavailable` */
  async whenDurable(): Promise<void> {
    await this.#parts.store.whenDurable();
  }

  /** All keys, the oldest first. */
  list(): readonly KeyRow[] {
    return [...this.#keys.values()].map(({ row }) => row);
  }

  get count(): number {
    return this.#keys.size;
  }

  get(id: string): KeyRow | undefined {
    return this.#keys.get(id)?.row;
  }

  /** What a key may do while it is good; for explanations. */
  principalOf(id: string): Principal | undefined {
    return this.#keys.get(id)?.secrets[0]?.principal;
  }

  /** @throws PolycastError `overloaded` when there are as many as there may be, `log_full`, `log_unavailable` */
  create({ name, scopes, expiresMs }: KeyOptions, by: Actor): CreatedKey {
    const { countMax } = this.#parts;
    if (this.#keys.size >= countMax)
      throw new PolycastError('overloaded', `There are ${countMax} keys, as many as identity.keysMax allows.`, {
        limit: countMax,
      });
    const createdMs = this.#parts.clock.nowMs();
    const { id, text } = createKeyText();
    const secrets = [{ hash: keyHash(text), createdMs, expiresMs: undefined }];
    const row: KeyRow = { id, name, scopes, createdMs, expiresMs, lastUsedMs: undefined, secrets };
    this.#put(row, 'key.created', by);
    return { key: row, text };
  }

  /** The first key of a folder that never had one, good for everything; `undefined` ever after. */
  createFirst(): string | undefined {
    if (this.#keys.size > 0 || this.#table.hasEverHadKeys()) return undefined;
    return this.create({ name: 'first', scopes: ALL_SCOPES, expiresMs: undefined }, { kind: 'hub' }).text;
  }

  /**
   * Gives a key a new secret. The old one stays good for so long; one that was on its way out before ends now.
   * @returns undefined when there is no such key
   */
  rotate(id: string, overlapMs: number, by: Actor): CreatedKey | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return undefined;
    // Later than the one before and than what was revoked, whatever the clock says, so that they can be told apart.
    const { clock, revokedBefore } = this.#parts;
    const createdMs = Math.max(clock.nowMs(), live.newest.createdMs + 1, revokedBefore(id));
    const { text } = createKeyText(id);
    const secrets: SecretRow[] = [{ hash: keyHash(text), createdMs, expiresMs: undefined }];
    if (overlapMs > 0) secrets.push({ ...live.newest, expiresMs: this.#parts.clock.nowMs() + overlapMs });
    const row = { ...live.row, secrets };
    this.#put(row, 'key.rotated', by, { overlapSeconds: overlapMs / 1000 });
    // Whoever came with a secret that is gone.
    this.#parts.onEnded({ key: id, issuedBeforeMs: secrets.at(-1)?.createdMs ?? createdMs });
    return { key: row, text };
  }

  /** Sessions of the key end and come back as what it is now. @returns undefined when there is no such key */
  change(id: string, changes: Partial<KeyOptions>, by: Actor): KeyRow | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return undefined;
    const row = { ...live.row, ...changes };
    this.#put(row, 'key.changed', by);
    if ('scopes' in changes || 'expiresMs' in changes) this.#parts.onEnded({ key: id, issuedBeforeMs: Infinity });
    return row;
  }

  /**
   * Takes effect at once, whether or not the disk takes it: then it is tried again and again, and when it is asked for again.
   * @returns resolves once it is durable, rejects with `log_full`, `log_unavailable` if it is not stored yet; `undefined` when there is no
   * such key
   */
  revoke(id: string, by: Actor): Promise<void> | undefined {
    const live = this.#keys.get(id);
    if (live === undefined) return this.#revokeAgain(id);
    const { store, audit } = this.#parts;
    const { name } = live.row;
    // Before it is gone: it may have revoked itself.
    const writeEntry = audit.done({ action: 'key.revoked', subject: id, by, detail: { name } });
    this.#keys.delete(id);
    this.#recentlyUsed.delete(live);
    this.#parts.onEnded({ key: id, issuedBeforeMs: Infinity });
    const stored = store.writeInForce(
      () => {
        this.#table.delete(id);
        writeEntry();
      },
      () => void this.#pendingRevocations.delete(id),
    );
    this.#pendingRevocations.set(id, stored);
    // Whoever asked is told; where nobody has asked, it is tried again all the same.
    stored.catch(() => undefined);
    return stored;
  }

  /** While it is in the file it is not "no such key": it would come back. */
  #revokeAgain(id: string): Promise<void> | undefined {
    const { store } = this.#parts;
    return this.#pendingRevocations.get(id)?.catch(async () => {
      await store.whenWritable();
      await store.settle();
      await store.whenDurable();
    });
  }

  /** @throws PolycastError `unauthorized`, `token_expired` */
  identify({ token }: Pick<Credentials, 'token'>): Principal | undefined {
    if (token === undefined || !token.startsWith(KEY_PREFIX)) return undefined;
    const id = keyIdOf(token);
    // No key has this form: not a byte of it is worth a hash.
    if (id === undefined) throw this.#credentialsError('unauthorized', 'The key is not valid.');
    const live = this.#keys.get(id);
    const nowMs = this.#parts.clock.nowMs();
    const secret = matchingSecret(live, keyHash(token), nowMs);
    if (live === undefined || secret === undefined)
      throw this.#credentialsError('unauthorized', 'The key is not valid.');
    if (nowMs >= secret.principal.expiresMs) throw this.#credentialsError('token_expired', 'The key has expired.');
    this.stats.accepted++;
    live.usedMs = nowMs;
    this.#recentlyUsed.add(live);
    return secret.principal;
  }

  /** Whether somebody who came with a key could come as the same now. */
  isNoLongerValid({ key = '', grants, issuedMs }: Principal): boolean {
    const live = this.#keys.get(key);
    const nowMs = this.#parts.clock.nowMs();
    const isSame = (one: Principal): boolean =>
      one.issuedMs === issuedMs && one.grants === grants && one.expiresMs > nowMs;
    return live?.secrets.some(({ principal }) => isSame(principal)) !== true;
  }

  /** Ends what an overlap has left, and writes back when keys were last used. Called every second or so. */
  maintain(nowMs: number): void {
    for (const live of this.#keys.values()) {
      const [, old] = live.row.secrets;
      if (old?.expiresMs === undefined || old.expiresMs > nowMs) continue;
      const row = { ...live.row, secrets: [live.newest] };
      this.#keys.set(live.row.id, new LiveKey(row));
      this.#parts.onEnded({ key: row.id, issuedBeforeMs: live.newest.createdMs });
      this.#parts.store.write(() => this.#table.put(row));
    }
    if (nowMs - this.#lastUsedWrittenMs >= LAST_USED_WRITE_INTERVAL_MS) this.writeLastUsed(nowMs);
  }

  /** Writes back when keys were last used. */
  writeLastUsed(nowMs: number): void {
    this.#lastUsedWrittenMs = nowMs;
    if (this.#recentlyUsed.size === 0) return;
    this.#parts.store.write(() => {
      for (const { row, usedMs } of this.#recentlyUsed) this.#table.setLastUsed(row.id, usedMs);
    });
    this.#recentlyUsed.clear();
  }

  #credentialsError(code: 'unauthorized' | 'token_expired', detail: string): PolycastError {
    this.stats.refused++;
    return new PolycastError(code, detail);
  }

  #put(row: KeyRow, action: string, by: Actor, detail: Readonly<Record<string, unknown>> = {}): void {
    this.#parts.store.write(() => {
      this.#table.put(row);
      const { name, scopes, expiresMs } = row;
      const expires = expiresMs === undefined ? undefined : new Date(expiresMs).toISOString();
      this.#parts.audit.write({
        action,
        subject: row.id,
        by,
        detail: { name, scopes: scopeTexts(scopes), expires, ...detail },
      });
    });
    this.#keys.set(row.id, new LiveKey(row));
  }
}

const LAST_USED_WRITE_INTERVAL_MS = 60_000;

/** A key in memory. Each of its secrets makes one principal, which all who come with it share. */
class LiveKey {
  readonly secrets: readonly { readonly row: SecretRow; readonly principal: Principal }[];
  readonly #row: KeyRow;
  #usedMs: number | undefined;

  constructor(row: KeyRow) {
    this.#row = row;
    this.#usedMs = row.lastUsedMs;
    this.secrets = row.secrets.map((secret) => ({ row: secret, principal: principalOf(row, secret) }));
  }

  get row(): KeyRow {
    return { ...this.#row, lastUsedMs: this.#usedMs };
  }

  get newest(): SecretRow {
    return this.#row.secrets[0] as SecretRow;
  }

  get usedMs(): number {
    return this.#usedMs ?? 0;
  }

  set usedMs(usedMs: number) {
    this.#usedMs = usedMs;
  }
}

function principalOf({ id, scopes, expiresMs = Infinity }: KeyRow, secret: SecretRow): Principal {
  return {
    ...ANONYMOUS,
    kind: 'server',
    grants: scopes,
    key: id,
    issuedMs: secret.createdMs,
    expiresMs: Math.min(expiresMs, secret.expiresMs ?? Infinity),
  };
}

const NO_HASH = new Uint8Array(32);

/** Takes the same time whether or not there is such a key, and however much of its secret was right. */
function matchingSecret(
  live: LiveKey | undefined,
  hash: Uint8Array,
  nowMs: number,
): LiveKey['secrets'][number] | undefined {
  let found: LiveKey['secrets'][number] | undefined;
  if (live === undefined) timingSafeEqual(hash, NO_HASH);
  for (const secret of live?.secrets ?? []) {
    const isEqual = timingSafeEqual(hash, secret.row.hash);
    if (isEqual && nowMs < (secret.row.expiresMs ?? Infinity)) found = secret;
  }
  return found;
}
