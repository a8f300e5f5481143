import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  hash,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto';
import { LOGIN_SIGNERS_MAX, type IdentityHearing, type LoginSigner } from '../../core/access/identity-store.ts';
import { reachIdentity } from '../current-authority.ts';

/** Signs and verifies console logins. */
export interface LoginSignatures {
  /** The hubs of a cluster whose logins are valid. Empty without a cluster. */
  readonly signers: readonly LoginSigner[];
  sign(text: string): string | Promise<string>;
  /**
   * @throws PolycastError `identity_unavailable` when the signer is not known here, and cannot be
   * learned now
   */
  verify(text: string, signature: string): boolean | Promise<boolean>;
}

/** Signatures of a hub without a cluster: it verifies what it has signed itself, by one secret. */
export class SecretSignatures implements LoginSignatures {
  readonly signers = [];
  readonly #secret: () => Uint8Array;

  /** @param secret read at the first login or the first cookie */
  constructor(secret: () => Uint8Array) {
    this.#secret = secret;
  }

  sign(text: string): string {
    return this.#of(text).toString('base64url');
  }

  verify(text: string, signature: string): boolean {
    const given = Buffer.from(signature, 'base64url');
    const right = this.#of(text);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  #of(text: string): Buffer {
    return createHmac('sha256', this.#secret()).update(text).digest();
  }
}

/** How a hub tells the others of its signer, and hears of theirs. */
export interface SharedSigners extends Pick<IdentityHearing, 'reach'> {
  announce(signer: LoginSigner): Promise<unknown>;
}

/**
 * Signatures of a hub in a cluster. Each hub signs with a private key that never leaves its folder,
 * and the journal has the public keys. So a login is valid at every hub, and the brokers cannot
 * make one. Example: `5Jx…Q.k3JvT0…` is the id of the hub's key, and the signature.
 */
export class SharedSignatures implements LoginSignatures {
  readonly #secret: () => Uint8Array;
  readonly #shared: SharedSigners;
  /** By their ids, in the order in which they were announced. */
  readonly #signers = new Map<string, { readonly signer: LoginSigner; readonly publicKey: KeyObject }>();
  #own: { readonly key: KeyObject; readonly signer: LoginSigner } | undefined;
  #announcing: Promise<unknown> | undefined;

  /** @param secret 32 bytes, from which the private key follows */
  constructor(secret: () => Uint8Array, shared: SharedSigners, signers: readonly LoginSigner[]) {
    this.#secret = secret;
    this.#shared = shared;
    for (const signer of signers) this.add(signer);
  }

  /** A hub has announced its signer: another one, or this one. */
  add(signer: LoginSigner): void {
    const { id } = signer;
    const known = this.#signers.get(id);
    this.#signers.delete(id);
    this.#signers.set(id, known ?? { signer, publicKey: publicKeyOf(signer.publicKey) });
    const [oldest] = this.#signers.keys();
    if (this.#signers.size > LOGIN_SIGNERS_MAX && oldest !== undefined) this.#signers.delete(oldest);
  }

  get signers(): readonly LoginSigner[] {
    return Array.from(this.#signers.values(), ({ signer }) => signer);
  }

  /** @throws PolycastError while the other hubs cannot be told of the key */
  async sign(text: string): Promise<string> {
    this.#own ??= ownSigner(this.#secret());
    const { key, signer } = this.#own;
    // Once for each process: the cluster forgets the signers that were announced least recently.
    this.#announcing ??= this.#shared.announce(signer).then(() => this.add(signer));
    try {
      await this.#announcing;
    } catch (error) {
      this.#announcing = undefined;
      throw error;
    }
    return `${signer.id}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
  }

  verify(text: string, signature: string): boolean | Promise<boolean> {
    const [id = '', value = ''] = signature.split('.');
    if (!SIGNER_ID.test(id)) return false;
    if (this.#signers.has(id)) return this.#verifyWith(id, text, value);
    return reachIdentity(() => this.#shared.reach(), 'console logins').then(() => this.#verifyWith(id, text, value));
  }

  #verifyWith(id: string, text: string, value: string): boolean {
    const key = this.#signers.get(id)?.publicKey;
    return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(value, 'base64url'));
  }
}

const SIGNER_ID = /^[\w-]{22}$/;

function ownSigner(seed: Uint8Array): { readonly key: KeyObject; readonly signer: LoginSigner } {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const { x: publicKey = '' } = createPublicKey(key).export({ format: 'jwk' });
  return { key, signer: { id: hash('sha256', publicKey, 'base64url').slice(0, 22), publicKey } };
}

function publicKeyOf(x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** What precedes the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
