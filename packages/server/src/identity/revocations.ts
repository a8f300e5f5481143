import { PolycastError } from '@polycast/protocol';
import type { StatementSync } from 'node:sqlite';
import type { Actor, Clock } from '../core/ports.ts';
import type { Principal, Revocation } from '../core/principal.ts';
import type { AuditLog } from './audit.ts';
import type { Revocations } from './authority.ts';
import { tampered, type IdentityStore } from './store.ts';

export type RevocationKind = 'user' | 'token' | 'key' | 'session';

/** Whose standing ends: all credentials of that name that were given out before then. */
export interface RevocationOrder {
  readonly kind: RevocationKind;
  readonly name: string;
  readonly issuedBeforeMs: number;
}

export interface RevocationParts {
  readonly store: IdentityStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** How long each is kept: no credentials live longer. */
  readonly keptMs: number;
  readonly countMax: number;
}

/**
 * What has been taken back before its time (PROTOCOL.md section 13.4). Kept on disk, answered from memory: three look-ups a
 * request. A session that is revoked is gone at once, so that nothing is kept of it.
 */
export class RevocationBook implements Revocations {
  readonly #parts: RevocationParts;
  readonly #byKind: Readonly<Record<StoredKind, Map<string, Kept>>> = {
    user: new Map(),
    token: new Map(),
    key: new Map(),
  };
  readonly #put: StatementSync;
  readonly #prune: StatementSync;
  #count = 0;
  #listener: (revocation: Revocation) => void = () => undefined;

  constructor(parts: RevocationParts) {
    const { database } = parts.store;
    this.#parts = parts;
    this.#put = database.prepare('INSERT OR REPLACE INTO revocation VALUES (?, ?, ?, ?)');
    this.#prune = database.prepare('DELETE FROM revocation WHERE kept_until_ms < ?');
    const rows = database
      .prepare('SELECT kind, name, issued_before_ms AS issuedBeforeMs, kept_until_ms AS keptUntilMs FROM revocation')
      .all();
    for (const row of rows) this.#keep(row as unknown as Row);
  }

  /** How many are kept. */
  get size(): number {
    return this.#count;
  }

  isRevoked({ user, token, key, issuedMs }: Principal): boolean {
    if (this.#count === 0) return false;
    const { user: users, token: tokens, key: keys } = this.#byKind;
    return (
      (user !== undefined && issuedMs < issuedBefore(users.get(user))) ||
      (token !== undefined && issuedMs < issuedBefore(tokens.get(token))) ||
      (key !== undefined && issuedMs < issuedBefore(keys.get(key)))
    );
  }

  onRevoked(listener: (revocation: Revocation) => void): void {
    this.#listener = listener;
  }

  /** Before when a user's credentials are good for nothing; `undefined` for one who was never revoked. */
  revokedBefore(user: string): number | undefined {
    return this.#byKind.user.get(user)?.issuedBeforeMs;
  }

  /**
   * Takes effect at once, whether or not the disk takes it; resolves once it has.
   * @throws PolycastError `log_full`, `log_unavailable`: it holds until the next restart only; `overloaded`: there are too many
   */
  async revoke(order: RevocationOrder, by: Actor): Promise<void> {
    const { store, audit, clock, keptMs, countMax } = this.#parts;
    const { kind, name } = order;
    const nowMs = clock.nowMs();
    const kept = kind === 'session' ? undefined : this.#byKind[kind].get(name);
    if (this.#count >= countMax && kept === undefined && kind !== 'session') this.prune(nowMs);
    if (this.#count >= countMax && kept === undefined && kind !== 'session') throw tooMany(countMax);
    // What was revoked stays so: an earlier date takes nothing back.
    const issuedBeforeMs = Math.max(order.issuedBeforeMs, issuedBefore(kept));
    const row = { name, issuedBeforeMs, keptUntilMs: nowMs + keptMs };
    if (kind !== 'session') this.#keep({ kind, ...row });
    this.end({ [kind]: name, issuedBeforeMs });
    const actor = audit.named(by);
    await store.writeSoon(() => {
      if (kind !== 'session') this.#put.run(kind, name, row.issuedBeforeMs, row.keptUntilMs);
      const detail = { kind, issuedBefore: new Date(issuedBeforeMs).toISOString() };
      audit.write({ action: 'revocation.made', subject: name, by: actor, detail });
    });
  }

  /** Ends live sessions without keeping anything: for what is refused anyway when it comes back. */
  end(revocation: Revocation): void {
    this.#listener(revocation);
  }

  /** Forgets those that nothing depends on any more. */
  prune(nowMs: number): void {
    for (const kept of Object.values(this.#byKind)) {
      for (const [name, { keptUntilMs }] of kept) if (keptUntilMs < nowMs && kept.delete(name)) this.#count--;
    }
    this.#parts.store.write(() => this.#prune.run(nowMs));
  }

  #keep({ kind, name, issuedBeforeMs, keptUntilMs }: Row): void {
    const kept = this.#byKind[kind];
    if (!Number.isSafeInteger(issuedBeforeMs) || !Number.isSafeInteger(keptUntilMs))
      throw tampered('a revocation that is none');
    if (!kept.has(name)) this.#count++;
    kept.set(name, { issuedBeforeMs, keptUntilMs });
  }
}

type StoredKind = Exclude<RevocationKind, 'session'>;

interface Kept {
  readonly issuedBeforeMs: number;
  readonly keptUntilMs: number;
}

interface Row extends Kept {
  readonly kind: StoredKind;
  readonly name: string;
}

function issuedBefore(kept: Kept | undefined): number {
  return kept === undefined ? -Infinity : kept.issuedBeforeMs;
}

function tooMany(countMax: number): PolycastError {
  const detail = `There are ${countMax} revocations, as many as identity.revocationsMax allows.`;
  return new PolycastError('overloaded', detail, { limit: countMax });
}
