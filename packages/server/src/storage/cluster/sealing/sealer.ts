import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  type CipherGCM,
  type DecipherGCM,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DataFolderError } from '../../../core/data-folder-error.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const KEY_TEXT = /^[0-9a-f]{64}$/i;
const KEYS_MAX = 10;
const MAGIC: Buffer = Buffer.from('PCS1');
const KEY_NAME_BYTES = 4;
const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const HEADER_BYTES: number = MAGIC.byteLength + KEY_NAME_BYTES + NONCE_BYTES;

/** Data cannot be opened: no key fits, or it was changed. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

interface SealKey {
  /** The first bytes of the key's hash. They show which key a seal needs. */
  readonly name: Buffer;
  readonly key: Buffer;
}

/**
 * Seals data with a key that the hubs have and the brokers have not: nobody else can read it or
 * change it. Example: a command with the secret of a webhook, in the journal of the brokers.
 *
 * Sealed data is `PCS1`, 4 bytes that name the key, a nonce of 12 bytes, the data by AES-256-GCM,
 * and a tag of 16 bytes. It opens only in the place that it was sealed for.
 */
export class Sealer {
  readonly #keys: readonly SealKey[];

  /**
   * @param keys 32 bytes each. The first one seals, and all of them open.
   * Without any, nothing is sealed.
   */
  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys.map(sealKey);
  }

  /** Whether there is a key to seal with. */
  get canSeal(): boolean {
    return this.#keys.length > 0;
  }

  /** @param place the data opens only with the same text @throws SealError without a key */
  seal(data: Uint8Array, place: string): Uint8Array {
    const { header, cipher } = this.startSeal(place);
    return Buffer.concat([header, cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws SealError */
  open(sealed: Uint8Array, place: string): Uint8Array<ArrayBuffer> {
    if (sealed.byteLength < HEADER_BYTES + TAG_BYTES) throw new SealError('the sealed data is too short');
    const decipher = this.startOpen(sealed.subarray(0, HEADER_BYTES), place);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const opened = decipher.update(sealed.subarray(HEADER_BYTES, -TAG_BYTES));
    finishOpen(decipher);
    return new Uint8Array(opened);
  }

  /**
   * The beginning of sealed data, and the cipher for the rest of it. Its tag is the end.
   * @throws SealError
   */
  startSeal(place: string): { readonly header: Uint8Array; readonly cipher: CipherGCM } {
    const [first] = this.#keys;
    if (first === undefined) throw new SealError('there is no key to seal with');
    const { name, key } = first;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(place));
    return { header: Buffer.concat([MAGIC, name, nonce]), cipher };
  }

  /** @throws SealError when no key fits the header */
  startOpen(header: Uint8Array, place: string): DecipherGCM {
    const name = Buffer.from(header.subarray(MAGIC.byteLength, MAGIC.byteLength + KEY_NAME_BYTES));
    const known = this.#keys.find((each) => each.name.equals(name));
    if (!isSealed(header)) throw new SealError('the data is not sealed');
    if (known === undefined) throw new SealError('cluster.sealKeyFile does not have the key');
    const nonce = header.subarray(HEADER_BYTES - NONCE_BYTES, HEADER_BYTES);
    return createDecipheriv(ALGORITHM, known.key, nonce).setAAD(Buffer.from(place));
  }
}

/** @throws SealError when the data was changed, or sealed for another place */
export function finishOpen(decipher: DecipherGCM): void {
  try {
    decipher.final();
  } catch {
    throw new SealError('the sealed data was changed');
  }
}

export function isSealed(header: Uint8Array): boolean {
  return MAGIC.equals(header.subarray(0, MAGIC.byteLength));
}

/**
 * Reads the keys of a file: one on each line, 64 hexadecimal digits. The first one seals.
 * The others open what was sealed before.
 * @param file `null`: there is no key
 * @throws DataFolderError
 */
export function readSealer(file: string | null): Sealer {
  if (file === null) return new Sealer([]);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new DataFolderError('inaccessible', `cluster.sealKeyFile cannot be read: ${(error as Error).message}`);
  }
  const [first, ...others] = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
  if (first === undefined || others.length >= KEYS_MAX || ![first, ...others].every((line) => KEY_TEXT.test(line))) {
    const form = `1 to ${KEYS_MAX} lines of ${2 * KEY_BYTES} hexadecimal digits`;
    throw new DataFolderError('inaccessible', `cluster.sealKeyFile must have ${form}: \`openssl rand -hex 32\``);
  }
  return new Sealer([Buffer.from(first, 'hex'), ...others.map((line) => Buffer.from(line, 'hex'))]);
}

function sealKey(bytes: Uint8Array): SealKey {
  const key = Buffer.from(bytes);
  return { key, name: createHash('sha256').update(key).digest().subarray(0, KEY_NAME_BYTES) };
}
