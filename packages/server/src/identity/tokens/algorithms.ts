import { createHmac, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import type { TokenAlgorithm } from '../../core/access/identity-settings.ts';

/** A signature algorithm of tokens (RFC 7518, section 3.1; RFC 8037). */
export interface SignatureScheme {
  /** Describes why a key does not fit this algorithm. Returns `undefined` when it fits. */
  keyProblem(key: KeyObject): string | undefined;
  verify(signed: Buffer, signature: Buffer, key: KeyObject): boolean;
}

const SECRET_BYTES_MIN = 32;
const RSA_BITS_MIN = 2048;
/**
 * Together with the bound on the exponent: one verification costs at most about ten ordinary ones.
 */
const RSA_BITS_MAX = 8192;
const RSA_EXPONENT_MAX = 2n ** 32n;

export const SCHEMES: Readonly<Record<TokenAlgorithm, SignatureScheme>> = {
  HS256: {
    keyProblem: (key) => {
      if (key.type !== 'secret') return 'HS256 requires a secret';
      const bytes = key.symmetricKeySize ?? 0;
      return bytes < SECRET_BYTES_MIN
        ? `a secret of ${bytes} bytes is too short: at least ${SECRET_BYTES_MIN}`
        : undefined;
    },
    verify: (signed, signature, key) => {
      const expected = createHmac('sha256', key).update(signed).digest();
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    },
  },
  RS256: {
    keyProblem: rsaKeyProblem,
    verify: (signed, signature, key) => verify('sha256', signed, key, signature),
  },
  ES256: {
    keyProblem: (key) =>
      key.type === 'public' && key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
        ? undefined
        : 'ES256 requires a public key on the curve P-256',
    verify: (signed, signature, key) =>
      signature.length === 64 && verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature),
  },
  EdDSA: {
    keyProblem: (key) =>
      key.type === 'public' && key.asymmetricKeyType === 'ed25519'
        ? undefined
        : 'EdDSA requires a public key on Ed25519',
    verify: (signed, signature, key) => signature.length === 64 && verify(null, signed, key, signature),
  },
};

/**
 * Returns the algorithm that a token's header names. `Ed25519` is RFC 9864's name for EdDSA with
 * that curve.
 */
export function algorithmNamed(name: unknown): TokenAlgorithm | undefined {
  if (name === 'Ed25519') return 'EdDSA';
  return typeof name === 'string' && Object.hasOwn(SCHEMES, name) ? (name as TokenAlgorithm) : undefined;
}

function rsaKeyProblem(key: KeyObject): string | undefined {
  if (key.type !== 'public' || key.asymmetricKeyType !== 'rsa') return 'RS256 requires a public RSA key';
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS_MIN || modulusLength > RSA_BITS_MAX)
    return `an RSA key of ${modulusLength} bits is not supported: ${RSA_BITS_MIN} to ${RSA_BITS_MAX}`;
  return publicExponent < 3n || publicExponent % 2n === 0n || publicExponent > RSA_EXPONENT_MAX
    ? `an RSA key with the exponent ${publicExponent} is not supported`
    : undefined;
}
