import { timingSafeEqual } from 'node:crypto';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import type { StoredKey, StoredSecret } from '../core/access/identity-store.ts';

/**
 * A key in memory. Each of its secrets makes one principal. All clients with the same secret share
 * it.
 */
export class LiveKey {
  readonly secrets: readonly { readonly stored: StoredSecret; readonly principal: Principal }[];
  readonly #stored: StoredKey;
  #usedMs: number | undefined;

  constructor(stored: StoredKey) {
    this.#stored = stored;
    this.#usedMs = stored.lastUsedMs;
    this.secrets = stored.secrets.map((secret) => ({ stored: secret, principal: principalOf(stored, secret) }));
  }

  get stored(): StoredKey {
    return { ...this.#stored, lastUsedMs: this.#usedMs };
  }

  get newest(): StoredSecret {
    return this.#stored.secrets[0] as StoredSecret;
  }

  get usedMs(): number {
    return this.#usedMs ?? 0;
  }

  set usedMs(usedMs: number) {
    this.#usedMs = usedMs;
  }
}

function principalOf({ id, scopes, expiresMs = Infinity }: StoredKey, secret: StoredSecret): Principal {
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

/**
 * Finds the valid secret with this hash. It takes the same time for an unknown key, and for any
 * wrong secret.
 */
export function matchingSecret(
  live: LiveKey | undefined,
  hash: Uint8Array,
  nowMs: number,
): LiveKey['secrets'][number] | undefined {
  let found: LiveKey['secrets'][number] | undefined;
  if (live === undefined) timingSafeEqual(hash, NO_HASH);
  for (const secret of live?.secrets ?? []) {
    const isEqual = timingSafeEqual(hash, secret.stored.hash);
    if (isEqual && nowMs < (secret.stored.expiresMs ?? Infinity)) found = secret;
  }
  return found;
}
