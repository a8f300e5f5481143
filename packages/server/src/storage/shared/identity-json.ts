import type { IdentityChange, StoredKey } from '../../core/access/identity-store.ts';

/** A key as JSON, with the hashes in base64: for other processes and hubs. */
export interface KeyJson extends Omit<StoredKey, 'secrets'> {
  readonly secrets: readonly (Omit<StoredKey['secrets'][number], 'hash'> & { readonly hash: string })[];
}

/** A change as JSON. */
export type ChangeJson =
  | Exclude<IdentityChange, { readonly kind: 'key' }>
  | { readonly kind: 'key'; readonly key: KeyJson };

export function changeToJson(change: IdentityChange): ChangeJson {
  return change.kind === 'key' ? { kind: 'key', key: keyToJson(change.key) } : change;
}

export function changeFromJson(change: ChangeJson): IdentityChange {
  return change.kind === 'key' ? { kind: 'key', key: keyFromJson(change.key) } : change;
}

export function keyToJson(key: StoredKey): KeyJson {
  return { ...key, secrets: key.secrets.map((secret) => ({ ...secret, hash: encodeHash(secret.hash) })) };
}

/** JSON has no `undefined`, so members without a value are absent. */
export function keyFromJson({ secrets, ...key }: KeyJson): StoredKey {
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
