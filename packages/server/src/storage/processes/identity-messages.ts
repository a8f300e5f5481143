import type {
  IdentityChange,
  LoginSigner,
  ReplacedIdentity,
  StoredIdentity,
  StoredRevocation,
} from '../../core/access/identity-store.ts';
import {
  changeFromJson,
  changeToJson,
  keyFromJson,
  keyToJson,
  type ChangeJson,
  type KeyJson,
} from '../shared/identity-json.ts';

/** Keys, revocations and signers of logins on their way to the followers. */
export interface SentIdentity {
  readonly keys: readonly KeyJson[];
  readonly revocations: readonly StoredRevocation[];
  /** Absent without a cluster. */
  readonly loginSigners?: readonly LoginSigner[] | undefined;
}

/** A change that every process has to know. */
export type SentChange = Extract<ChangeJson, { readonly kind: SentKind }>;

const SENT_KINDS = ['key', 'key_removed', 'revocation', 'login_signer'] as const;
type SentKind = (typeof SENT_KINDS)[number];

export function sentIdentity({ keys, revocations, loginSigners }: ReplacedIdentity): SentIdentity {
  return { keys: keys.map(keyToJson), revocations, loginSigners };
}

export function receivedIdentity({ keys, revocations, loginSigners = [] }: SentIdentity): StoredIdentity {
  return {
    keys: keys.map(keyFromJson),
    revocations,
    loginSigners,
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
    .filter((change): change is SentChange => SENT_KINDS.includes(change.kind as SentKind));
}

export function receivedChange(change: SentChange): IdentityChange {
  return changeFromJson(change);
}
