import type { IdentityChange, StoredIdentity, StoredRevocation } from '../../core/access/identity-store.ts';
import {
  changeFromJson,
  changeToJson,
  keyFromJson,
  keyToJson,
  type ChangeJson,
  type KeyJson,
} from '../shared/identity-json.ts';

/** Keys and revocations on their way to the followers. */
export interface SentIdentity {
  readonly keys: readonly KeyJson[];
  readonly revocations: readonly StoredRevocation[];
}

/** A change of keys or revocations that every process has to know. */
export type SentChange = Extract<ChangeJson, { readonly kind: 'key' | 'key_removed' | 'revocation' }>;

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
  return changes
    .map(changeToJson)
    .filter((change) => change.kind === 'key' || change.kind === 'key_removed' || change.kind === 'revocation');
}

export function receivedChange(change: SentChange): IdentityChange {
  return changeFromJson(change);
}
