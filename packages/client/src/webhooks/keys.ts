/** A key that checks signatures. */
export interface VerificationKey {
  readonly scheme: Scheme;
  readonly key: CryptoKey;
}

/** The bytes of a key, before Web Crypto imports them. */
export interface Secret {
  readonly scheme: Scheme;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** `v1`: HMAC-SHA256 with a shared secret. `v1a`: Ed25519. */
export type Scheme = 'v1' | 'v1a';

const PUBLIC_KEY_BYTES = 32;

/**
 * Reads a key: `whsec_…`, or the same without its prefix, for HMAC; `whpk_…` for Ed25519.
 * @throws TypeError when it is neither
 */
export function readSecret(text: string): Secret {
  const [, prefix, encoded = ''] = /^(wh[a-z]+_)?(.*)$/s.exec(text.trim()) as RegExpExecArray;
  if (prefix === 'whsk_') throw new TypeError('whsk_… is the private key of the sender; receivers need whpk_…');
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || bytes.length === 0) throw new TypeError('a secret must be whsec_ or whpk_ and base64');
  if (prefix !== 'whpk_') return { scheme: 'v1', bytes };
  if (bytes.length !== PUBLIC_KEY_BYTES)
    throw new TypeError(`whpk_… contains ${bytes.length} bytes; an Ed25519 key has ${PUBLIC_KEY_BYTES}`);
  return { scheme: 'v1a', bytes };
}

export async function importKey({ scheme, bytes }: Secret): Promise<VerificationKey> {
  const algorithm = scheme === 'v1' ? { name: 'HMAC', hash: 'SHA-256' } : 'Ed25519';
  return { scheme, key: await crypto.subtle.importKey('raw', bytes, algorithm, false, ['verify']) };
}

/** Decodes base64; `undefined` for invalid text. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
