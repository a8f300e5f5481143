import { hash, randomFillSync } from 'node:crypto';

/** The text that a server sends as its key: `pck_<id>_<secret>` (PROTOCOL.md section 13.1). */
export interface KeyText {
  readonly id: string;
  readonly text: string;
}

/** The beginning of every key. Other tokens do not have it. */
export const KEY_PREFIX = 'pck_';

const ID_LENGTH = 12;
/** 62 to the power of 32: 190 bits. */
const SECRET_LENGTH = 32;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_TEXT = new RegExp(`^${KEY_PREFIX}([0-9A-Za-z]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}}$`);

/** Creates the text of a new key, or a new text for an existing id. */
export function createKeyText(id: string = randomDigits(ID_LENGTH)): KeyText {
  return { id, text: `${KEY_PREFIX}${id}_${randomDigits(SECRET_LENGTH)}` };
}

/** Returns the id in a key's text, or `undefined` when the text is not a key. */
export function keyIdOf(text: string): string | undefined {
  return KEY_TEXT.exec(text)?.[1];
}

/**
 * The hash that the store has of a key. The secret has 190 random bits, so a hash slower than
 * SHA-256 is not needed.
 */
export function keyHash(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/** Returns digits of equal probability. Bytes from 248 on, the last multiple of 62, are skipped. */
function randomDigits(length: number): string {
  const bytes = new Uint8Array(length * 2);
  let text = '';
  while (text.length < length) {
    for (const byte of randomFillSync(bytes)) {
      if (byte < 248 && text.length < length) text += DIGITS[byte % 62];
    }
  }
  return text;
}
