import { createHmac, hash } from 'node:crypto';

/** The block of SHA-256, and its digest, in bytes. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Messages up to this size, in bytes, are signed in one buffer that all keys share. */
const SHORT_BYTES_MAX = 16 * 1024;
const shared = Buffer.alloc(BLOCK_BYTES + SHORT_BYTES_MAX);

/**
 * HMAC-SHA256 with one key, of many short messages (RFC 2104). `createHmac` creates an object of
 * the engine for each message, and takes twice as long. Keys live long, so they own their memory:
 * a small buffer of `Buffer.from` or `Buffer.concat` holds 64 KiB that it shares with others.
 */
export class HmacKey {
  readonly #secret: Buffer;
  readonly #inner: Buffer;
  /** The outer block, and room for the inner digest. */
  readonly #outer: Buffer;

  /** @param secret at most 64 bytes */
  constructor(secret: Buffer) {
    if (secret.length > BLOCK_BYTES) throw new RangeError(`an HMAC key has at most ${BLOCK_BYTES} bytes here`);
    this.#secret = Buffer.alloc(secret.length);
    this.#secret.set(secret);
    this.#inner = padded(secret, 0x36, BLOCK_BYTES);
    this.#outer = padded(secret, 0x5c, BLOCK_BYTES + DIGEST_BYTES);
  }

  /** The HMAC of `head` in UTF-8 and the bytes of `body` behind it, in base64. */
  sign(head: string, body: Uint8Array): string {
    // A character takes up to 3 bytes.
    if (head.length * 3 + body.length > SHORT_BYTES_MAX)
      return createHmac('sha256', this.#secret).update(head).update(body).digest('base64');
    shared.set(this.#inner);
    const end = BLOCK_BYTES + shared.write(head, BLOCK_BYTES);
    shared.set(body, end);
    const digest = hash('sha256', shared.subarray(0, end + body.length), 'latin1');
    this.#outer.write(digest, BLOCK_BYTES, 'latin1');
    return hash('sha256', this.#outer, 'base64');
  }
}

/** A buffer of a length that begins with the block of a key. */
function padded(secret: Buffer, pad: number, length: number): Buffer {
  const block = Buffer.alloc(length, pad);
  for (const [index, byte] of secret.entries()) block[index] = byte ^ pad;
  return block;
}
