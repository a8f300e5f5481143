import type { IdentityChange } from '../../../core/access/identity-store.ts';

/** Changes that hubs broadcast before they are durable. */
type UrgentChange = Extract<IdentityChange, { readonly kind: 'key_removed' | 'revocation' | 'session_revoked' }>;

/** A revocation that is not in the journal this long after its broadcast has lost its hub. */
const OVERDUE_MS = 5_000;
/**
 * Revocations that are remembered until they are in the journal.
 * Further ones are in force all the same.
 */
const HEARD_MAX = 100_000;

/**
 * Revocations that are in force at this hub before its view has them. Example: hub A revokes a key,
 * and hub B receives the broadcast. B refuses the key at once. An older block that still has the
 * key must not bring it back.
 */
export class UrgentChanges {
  /** Keys that are removed here and not in the view. */
  readonly #removed = new Set<string>();
  readonly #heard = new Map<string, { readonly change: UrgentChange; readonly heardMs: number }>();

  /** Whether a key is in the view, and its removal is in force. */
  isRemoved(key: string): boolean {
    return this.#removed.has(key);
  }

  /** The broadcast of this hub's own changes; `undefined`: there is none. */
  toBroadcast(changes: readonly IdentityChange[]): string | undefined {
    const urgent = changes.filter(isUrgent);
    for (const change of urgent) if (change.kind === 'key_removed') this.#removed.add(change.id);
    return urgent.length === 0 ? undefined : JSON.stringify(urgent);
  }

  /** The changes in a broadcast of another hub. */
  fromBroadcast(text: string): readonly IdentityChange[] {
    const changes = (JSON.parse(text) as IdentityChange[]).filter(isUrgent);
    for (const change of changes) {
      if (change.kind === 'key_removed') this.#removed.add(change.id);
      if (this.#heard.size < HEARD_MAX) this.#heard.set(nameOf(change), { change, heardMs: performance.now() });
    }
    return changes;
  }

  /** The changes of a block that are news here. */
  applied(changes: readonly IdentityChange[], isOwn: boolean): readonly IdentityChange[] {
    return changes.filter((change) => {
      if (change.kind === 'key') return !this.#removed.has(change.key.id);
      if (!isUrgent(change)) return true;
      const wasHeard = this.#forget(change);
      if (change.kind === 'key_removed') this.#removed.delete(change.id);
      return change.kind !== 'session_revoked' || !(isOwn || wasHeard);
    });
  }

  /** Revocations that came long ago and are not in the journal. */
  takeOverdue(): readonly IdentityChange[] {
    const overdue: IdentityChange[] = [];
    for (const [name, { change, heardMs }] of this.#heard) {
      if (performance.now() - heardMs < OVERDUE_MS) break;
      this.#heard.delete(name);
      if (change.kind !== 'session_revoked') overdue.push(change);
    }
    return overdue;
  }

  #forget(change: UrgentChange): boolean {
    const heard = this.#heard.get(nameOf(change));
    if (heard === undefined) return false;
    const isNewer =
      heard.change.kind === 'revocation' &&
      change.kind === 'revocation' &&
      heard.change.revocation.issuedBeforeMs > change.revocation.issuedBeforeMs;
    if (!isNewer) this.#heard.delete(nameOf(change));
    return true;
  }
}

function isUrgent(change: IdentityChange): change is UrgentChange {
  return change.kind === 'key_removed' || change.kind === 'revocation' || change.kind === 'session_revoked';
}

function nameOf(change: UrgentChange): string {
  if (change.kind === 'key_removed') return `removed ${change.id}`;
  if (change.kind === 'session_revoked') return `session ${change.session}`;
  return `${change.revocation.kind} ${change.revocation.name}`;
}
