import type { Clock } from '../core/ports.ts';
import type { Actor } from '../core/audit.ts';
import type { Principal, Revocation } from '../core/access/principal.ts';
import type { AuditLog } from './audit.ts';
import type { Revocations } from './authority.ts';
import { RevocationIndex } from './revocation-index.ts';
import type { AwaitedWrites, IdentityChange, StoredRevocation, WritesInForce } from '../core/access/identity-store.ts';

export type RevocationKind = StoredRevocation['kind'] | 'session';

/** A revocation of all credentials of one name that were issued before a moment. */
export interface RevocationRequest {
  readonly kind: RevocationKind;
  readonly name: string;
  /**
   * Milliseconds since 1970. `issuedBeforeNowMs` gives the value that revokes all present
   * credentials.
   */
  readonly issuedBeforeMs: number;
}

/**
 * Returns a moment that all present credentials were issued before. It also covers credentials that
 * were issued in this very millisecond.
 */
export function issuedBeforeNowMs({ nowMs }: Pick<Clock, 'nowMs'>): number {
  return nowMs() + 1;
}

export interface RevocationListParts {
  readonly store: Pick<AwaitedWrites, 'write'> & Pick<WritesInForce, 'writeInForce'>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** How long a revocation is stored. No credentials live longer. */
  readonly keptMs: number;
  /** The bound on revocations of users, and the same for tokens; see `RevocationIndex`. */
  readonly countMax: number;
}

/**
 * Credentials that were revoked before they expired (PROTOCOL.md section 13.4). The list is stored
 * on disk and checked in memory: a few look-ups a request.
 *
 * A revoked session ends immediately, so the list has no entry for it.
 */
export class RevocationList implements Revocations {
  /** Whether the principal's key was deleted, rotated or changed. `ApiKeys` sets it. */
  isKeyNoLongerValid: (principal: Principal) => boolean = () => false;
  /** Revocations since the start, by kind. */
  readonly made: Record<RevocationKind | 'signer', number> = { user: 0, token: 0, key: 0, session: 0, signer: 0 };
  readonly #parts: RevocationListParts;
  readonly #byKind: Readonly<Record<StoredRevocation['kind'], RevocationIndex>>;
  #listener: (revocation: Revocation) => void = () => undefined;

  /** @param stored the revocations that the store had at its opening */
  constructor(parts: RevocationListParts, stored: readonly StoredRevocation[]) {
    const { countMax } = parts;
    this.#parts = parts;
    // Keys are few, and they may be old: a floor would revoke the old ones. So they have no bound.
    this.#byKind = {
      user: new RevocationIndex(countMax),
      token: new RevocationIndex(countMax),
      key: new RevocationIndex(Infinity),
    };
    for (const { kind, name, ...entry } of stored) {
      if (name === FLOOR) this.#byKind[kind].floor = entry;
      else this.#byKind[kind].put(name, entry);
    }
  }

  /** The number of stored revocations. */
  get size(): number {
    return Object.values(this.#byKind).reduce((sum, { size }) => sum + size, 0);
  }

  /** All stored revocations, for another process. */
  list(): readonly StoredRevocation[] {
    return STORED_KINDS.flatMap((kind) => {
      const index = this.#byKind[kind];
      const { floor } = index;
      const stored = Array.from(index.entries(), ([name, entry]): StoredRevocation => ({ kind, name, ...entry }));
      return floor.issuedBeforeMs === -Infinity ? stored : [{ kind, name: FLOOR, ...floor }, ...stored];
    });
  }

  /** Applies a revocation that another process has stored. */
  apply({ kind, name, issuedBeforeMs, keptUntilMs }: StoredRevocation): void {
    const index = this.#byKind[kind];
    if (name === FLOOR) return index.putFloor({ issuedBeforeMs, keptUntilMs });
    const known = index.get(name);
    index.put(name, { issuedBeforeMs, keptUntilMs });
    if (known === undefined || known.issuedBeforeMs < issuedBeforeMs)
      this.endSessions({ [kind]: name, issuedBeforeMs });
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

  /**
   * Credentials of the user that were issued before this moment are revoked. `undefined`: none are.
   * Milliseconds since 1970.
   */
  revokedBefore(user: string): number | undefined {
    const beforeMs = this.#byKind.user.revokedBeforeMs(user);
    return beforeMs === -Infinity ? undefined : beforeMs;
  }

  /**
   * Secrets of the key that were created before this moment are revoked. Milliseconds since 1970.
   */
  keyRevokedBefore(id: string): number {
    return this.#byKind.key.revokedBeforeMs(id);
  }

  /**
   * Revokes credentials. It takes effect immediately, even if the disk fails. Resolves when the
   * revocation is durable.
   * @throws PolycastError `log_full`, `log_unavailable`: the write is repeated until the disk
   * accepts it
   */
  async revoke({ kind, name, issuedBeforeMs }: RevocationRequest, by: Actor): Promise<void> {
    const { store, audit } = this.#parts;
    const changes = kind === 'session' ? sessionChange(name, issuedBeforeMs) : this.#add(kind, name, issuedBeforeMs);
    this.endSessions({ [kind]: name, issuedBeforeMs });
    const detail = { kind, issuedBefore: new Date(issuedBeforeMs).toISOString() };
    const entry = audit.done({ action: 'revocation.made', subject: name, by, detail });
    await store.writeInForce(() => [...changes(), entry]);
  }

  /**
   * Ends live sessions and stores nothing. Use it for credentials that are refused anyway when a
   * client reconnects.
   */
  endSessions(revocation: Revocation): void {
    for (const kind of KINDS) if (revocation[kind] !== undefined) this.made[kind]++;
    this.#listener(revocation);
  }

  /** Deletes revocations that no unexpired credentials depend on. */
  prune(nowMs: number): void {
    for (const index of Object.values(this.#byKind)) index.prune(nowMs);
    this.#parts.store.write([{ kind: 'revocations_pruned', beforeMs: nowMs }]);
  }

  /** Adds a revocation in memory. The returned function gives the changes for the store. */
  #add(kind: StoredRevocation['kind'], name: string, issuedBeforeMs: number): () => readonly IdentityChange[] {
    const { clock, keptMs } = this.#parts;
    const index = this.#byKind[kind];
    const evicted = index.put(name, { issuedBeforeMs, keptUntilMs: clock.nowMs() + keptMs });
    // Write the present value: a late write of an older revocation must not replace a newer one.
    return () => {
      const changes = [...evicted, name].map((each): IdentityChange => {
        const entry = index.get(each);
        if (entry === undefined) return { kind: 'revocation_removed', of: kind, name: each };
        return { kind: 'revocation', revocation: { kind, name: each, ...entry } };
      });
      if (evicted.length === 0) return changes;
      return [{ kind: 'revocation', revocation: { kind, name: FLOOR, ...index.floor } }, ...changes];
    };
  }
}

/** The session may be at another hub. */
function sessionChange(session: string, issuedBeforeMs: number): () => readonly IdentityChange[] {
  return () => [{ kind: 'session_revoked', session, issuedBeforeMs }];
}

const STORED_KINDS = ['user', 'token', 'key'] as const;
const KINDS = [...STORED_KINDS, 'session', 'signer'] as const;

/** The name of the floor's row. No user, token or key has this name. */
const FLOOR = '';
