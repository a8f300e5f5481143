import type { StatementSync } from 'node:sqlite';
import type { Actor, Clock } from '../core/ports.ts';
import type { Principal, Revocation } from '../core/access/principal.ts';
import type { AuditLog } from './audit.ts';
import type { Revocations } from './authority.ts';
import { RevocationIndex, type StoredRevocationKind } from './revocation-index.ts';
import { invalidRowError, type IdentityStore } from '../storage/sqlite/identity/identity-store.ts';

export type RevocationKind = StoredRevocationKind | 'session';

/** Whose standing ends: all credentials of that name that were given out before then. */
export interface RevocationRequest {
  readonly kind: RevocationKind;
  readonly name: string;
  /** `revokedNow` for all there are. */
  readonly issuedBeforeMs: number;
}

/** Before when all was given out that there is by now: what was given out in this very millisecond as well. */
export function issuedBeforeNowMs({ nowMs }: Pick<Clock, 'nowMs'>): number {
  return nowMs() + 1;
}

export interface RevocationListParts {
  readonly store: IdentityStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** How long each is kept: no credentials live longer. */
  readonly keptMs: number;
  /** Of users, and of tokens; see `Revoked`. */
  readonly countMax: number;
}

/**
 * What has been taken back before its time (PROTOCOL.md section 13.4). Kept on disk, answered from memory: a few look-ups a
 * request. A session that is revoked is gone at once, so that nothing is kept of it.
 */
export class RevocationList implements Revocations {
  /** Whether the key that somebody came with is not what it was: gone, rotated, changed. Set by the keys. */
  isKeyNoLongerValid: (principal: Principal) => boolean = () => false;
  /** How many were made since the start, by what they mean. */
  readonly made: Record<RevocationKind | 'signer', number> = { user: 0, token: 0, key: 0, session: 0, signer: 0 };
  readonly #parts: RevocationListParts;
  readonly #byKind: Readonly<Record<StoredRevocationKind, RevocationIndex>>;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #prune: StatementSync;
  #listener: (revocation: Revocation) => void = () => undefined;

  constructor(parts: RevocationListParts) {
    const { database } = parts.store;
    const { countMax } = parts;
    this.#parts = parts;
    // Keys are few, and may be old.
    this.#byKind = {
      user: new RevocationIndex(countMax),
      token: new RevocationIndex(countMax),
      key: new RevocationIndex(Infinity),
    };
    this.#put = database.prepare('INSERT OR REPLACE INTO revocation VALUES (?, ?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM revocation WHERE kind = ? AND name = ?');
    this.#prune = database.prepare('DELETE FROM revocation WHERE kept_until_ms < ?');
    const rows = database.prepare('SELECT * FROM revocation ORDER BY kept_until_ms').all();
    for (const row of rows) this.#load(row as unknown as Row);
  }

  /** How many are kept. */
  get size(): number {
    return Object.values(this.#byKind).reduce((sum, { size }) => sum + size, 0);
  }

  isRevoked(principal: Principal): boolean {
    const { user, token, key, issuedMs } = principal;
    const { user: users, token: tokens, key: keys } = this.#byKind;
    return (
      (user !== undefined && issuedMs < users.revokedBeforeMs(user)) ||
      (token !== undefined && issuedMs < tokens.revokedBeforeMs(token)) ||
      (key !== undefined && (issuedMs < keys.revokedBeforeMs(key) || this.isKeyNoLongerValid(principal)))
    );
  }

  onRevoked(listener: (revocation: Revocation) => void): void {
    this.#listener = listener;
  }

  /** Before when a user's credentials are good for nothing; `undefined` for one who was never revoked. */
  revokedBefore(user: string): number | undefined {
    const beforeMs = this.#byKind.user.revokedBeforeMs(user);
    return beforeMs === -Infinity ? undefined : beforeMs;
  }

  /** Before when a key's secrets are good for nothing. */
  keyRevokedBefore(id: string): number {
    return this.#byKind.key.revokedBeforeMs(id);
  }

  /**
   * Takes effect at once, whether or not the disk takes it; resolves once it has.
   * @throws PolycastError `log_full`, `log_unavailable`: it is written as soon as the disk takes it
   */
  async revoke({ kind, name, issuedBeforeMs }: RevocationRequest, by: Actor): Promise<void> {
    const { store, audit } = this.#parts;
    const write = kind === 'session' ? undefined : this.#add(kind, name, issuedBeforeMs);
    this.endSessions({ [kind]: name, issuedBeforeMs });
    const detail = { kind, issuedBefore: new Date(issuedBeforeMs).toISOString() };
    const writeEntry = audit.done({ action: 'revocation.made', subject: name, by, detail });
    await store.writeInForce(() => {
      write?.();
      writeEntry();
    });
  }

  /** Ends live sessions without keeping anything: for what is refused anyway when it comes back. */
  endSessions(revocation: Revocation): void {
    for (const kind of KINDS) if (revocation[kind] !== undefined) this.made[kind]++;
    this.#listener(revocation);
  }

  /** Forgets those that nothing depends on any more. */
  prune(nowMs: number): void {
    for (const index of Object.values(this.#byKind)) index.prune(nowMs);
    this.#parts.store.write(() => this.#prune.run(nowMs));
  }

  /** Into memory now; what is returned does the same on disk. */
  #add(kind: StoredRevocationKind, name: string, issuedBeforeMs: number): () => void {
    const { clock, keptMs } = this.#parts;
    const index = this.#byKind[kind];
    const evicted = index.put(name, { issuedBeforeMs, keptUntilMs: clock.nowMs() + keptMs });
    // As it is when it is written: an older one that the disk takes late must not undo a newer one.
    return () => {
      if (evicted.length > 0) this.#put.run(kind, FLOOR, index.floor.issuedBeforeMs, index.floor.keptUntilMs);
      for (const each of [...evicted, name]) {
        const entry = index.get(each);
        if (entry === undefined) this.#delete.run(kind, each);
        else this.#put.run(kind, each, entry.issuedBeforeMs, entry.keptUntilMs);
      }
    };
  }

  #load({ kind, name, issued_before_ms: issuedBeforeMs, kept_until_ms: keptUntilMs }: Row): void {
    if (!Number.isSafeInteger(issuedBeforeMs) || !Number.isSafeInteger(keptUntilMs))
      throw invalidRowError('a revocation that is none');
    const index = this.#byKind[kind];
    if (name === FLOOR) index.floor = { issuedBeforeMs, keptUntilMs };
    else index.put(name, { issuedBeforeMs, keptUntilMs });
  }
}

const KINDS = ['user', 'token', 'key', 'session', 'signer'] as const;

/** The name under which a floor is stored: no user, token or key has it. */
const FLOOR = '';

interface Row {
  readonly kind: StoredRevocationKind;
  readonly name: string;
  readonly issued_before_ms: number;
  readonly kept_until_ms: number;
}
