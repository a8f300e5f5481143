import type { IdentityChange, StoredIdentity, StoredRevocation } from '../../core/access/identity-store.ts';
import { keyFromJson, keyToJson, type KeyJson } from '../shared/key-json.ts';

/** Keys and revocations on their way to the followers. */
export interface SentIdentity {
  readonly keys: readonly KeyJson[];
  readonly revocations: readonly StoredRevocation[];
}

/** A change of keys or revocations that every process has to know. */
export type SentChange =
  | { readonly kind: 'key'; readonly key: KeyJson }
  | { readonly kind: 'key_removed'; readonly id: string }
  | { readonly kind: 'revocation'; readonly revocation: StoredRevocation };

export function sentIdentity({ keys, revocations }: Pick<StoredIdentity, 'keys' | 'revocations'>): SentIdentity {
  return { keys: keys.map(keyToJson), revocations };
}

export function receivedIdentity({ keys, revocations }: SentIdentity): StoredIdentity {
  return {
    keys: keys.map(keyFromJson),
    revocations,
    hasEverHadKeys: true,
    // The owner alone answers the routes that accept portal links, and erases.
    portalLinks: [],
    erasures: [],
    hasLostCommits: false,
  };
}

/**
 * The changes that followers need. The owner alone erases. A pruned revocation expires at each
 * process by itself.
 */
export function sentChanges(changes: readonly IdentityChange[]): readonly SentChange[] {
  return changes.flatMap((change): readonly SentChange[] => {
    if (change.kind === 'key') return [{ kind: 'key', key: keyToJson(change.key) }];
    return change.kind === 'key_removed' || change.kind === 'revocation' ? [change] : [];
  });
}

export function receivedChange(change: SentChange): IdentityChange {
  return change.kind === 'key' ? { kind: 'key', key: keyFromJson(change.key) } : change;
}
