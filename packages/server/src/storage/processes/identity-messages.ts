import type { IdentityChange, StoredIdentity, StoredKey, StoredRevocation } from '../../core/access/identity-store.ts';

/** Keys and revocations on their way to the followers: as JSON, with the hashes in base64. */
export interface SentIdentity {
  readonly keys: readonly SentKey[];
  readonly revocations: readonly StoredRevocation[];
}

/** A change of keys or revocations that every process has to know. */
export type SentChange =
  | { readonly kind: 'key'; readonly key: SentKey }
  | { readonly kind: 'key_removed'; readonly id: string }
  | { readonly kind: 'revocation'; readonly revocation: StoredRevocation };

interface SentKey extends Omit<StoredKey, 'secrets'> {
  readonly secrets: readonly (Omit<StoredKey['secrets'][number], 'hash'> & { readonly hash: string })[];
}

export function sentIdentity({ keys, revocations }: Pick<StoredIdentity, 'keys' | 'revocations'>): SentIdentity {
  return { keys: keys.map(sentKey), revocations };
}

export function receivedIdentity({ keys, revocations }: SentIdentity): StoredIdentity {
  return {
    keys: keys.map(receivedKey),
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
    if (change.kind === 'key') return [{ kind: 'key', key: sentKey(change.key) }];
    return change.kind === 'key_removed' || change.kind === 'revocation' ? [change] : [];
  });
}

export function receivedChange(change: SentChange): IdentityChange {
  return change.kind === 'key' ? { kind: 'key', key: receivedKey(change.key) } : change;
}

function sentKey(key: StoredKey): SentKey {
  return { ...key, secrets: key.secrets.map((secret) => ({ ...secret, hash: encodeHash(secret.hash) })) };
}

/** JSON has no `undefined`, so members without a value are absent. */
function receivedKey({ secrets, ...key }: SentKey): StoredKey {
  const { expiresMs, lastUsedMs } = key;
  return {
    ...key,
    expiresMs,
    lastUsedMs,
    secrets: secrets.map(({ hash, createdMs, expiresMs: secretExpiresMs }) => ({
      hash: Buffer.from(hash, 'base64'),
      createdMs,
      expiresMs: secretExpiresMs,
    })),
  };
}

function encodeHash(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('base64');
}
