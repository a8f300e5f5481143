import { hash, randomFillSync } from 'node:crypto';

/** What a server sends as its key: `pck_<id>_<secret>` (PROTOCOL.md section 13.1). */
export interface KeyText {
  readonly id: string;
  readonly text: string;
}

/** Tells a key from other tokens. */
export const KEY_PREFIX = 'pck_';

const ID_LENGTH = 12;
/** 62 to the power of 32: 190 bits. */
const SECRET_LENGTH = 32;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_TEXT = new RegExp(`^${KEY_PREFIX}([0-9A-Za-z]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}}$`);

/** A new key's text, or one for a key that has a name already. */
export function createKeyText(id: string = randomDigits(ID_LENGTH)): KeyText {
  return { id, text: `${KEY_PREFIX}${id}_${randomDigits(SECRET_LENGTH)}` };
}

/** The id that a key's text names; `undefined` when it is no key's text. */
export function keyIdOf(text: string): string | undefined {
  return KEY_TEXT.exec(text)?.[1];
}

/** What is kept of a key. With 190 bits of chance nothing slower than SHA-256 is needed. */
export function keyHash(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/** Each digit as likely as the others: bytes beyond the last multiple of 62 are passed over. */
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
