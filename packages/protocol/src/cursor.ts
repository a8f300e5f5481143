/**
 * A cursor is a place in one log: the log's epoch and a position in it (PROTOCOL.md section 2). For
 * example, `0t24qj92dx-00000000001` is position 1 of the epoch `0t24qj92dx`.
 *
 * Both parts have a fixed width and an alphabet in ASCII order. So cursors of one log sort as plain
 * text in the order of the log, and a later epoch sorts after an earlier one.
 */
export interface Cursor {
  readonly epoch: string;
  readonly position: number;
}

/**
 * Crockford's base32 in lower case: no `i`, `l`, `o` or `u`. It is safe in URLs, headers and file
 * names.
 */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const EPOCH_LENGTH = 10;
const EPOCH_TIME_LENGTH = 8;
const POSITION_LENGTH = 11;
const EPOCH_ORIGIN_MS = 1_767_225_600_000; // 2026-01-01T00:00:00Z; 8 digits reach to 2060

/** The form of a cursor. */
export const CURSOR: RegExp = new RegExp(
  `^[0-9a-hjkmnp-tv-z]{${EPOCH_LENGTH}}-[0-9a-hjkmnp-tv-z]{${POSITION_LENGTH}}$`,
);

/** The number of characters of every cursor. */
export const CURSOR_LENGTH: number = EPOCH_LENGTH + 1 + POSITION_LENGTH;

const DIGIT_OF_CODE = new Int8Array(128).fill(-1);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGIT_OF_CODE[ALPHABET.charCodeAt(digit)] = digit;

/** Two base32 digits for each of 0..1023: `encodePosition` needs six look-ups for a position. */
const DIGIT_PAIRS: string[] = [];
for (let value = 0; value < 1024; value++) DIGIT_PAIRS.push(ALPHABET.charAt(value >> 5) + ALPHABET.charAt(value & 31));

/** Writes a position (0 to 2^53 - 1) as 11 base32 digits. */
export function encodePosition(position: number): string {
  const high = Math.floor(position / 0x40000000);
  const low = position % 0x40000000;
  return (
    ALPHABET.charAt((high >>> 20) & 31) +
    DIGIT_PAIRS[(high >>> 10) & 1023] +
    DIGIT_PAIRS[high & 1023] +
    DIGIT_PAIRS[(low >>> 20) & 1023] +
    DIGIT_PAIRS[(low >>> 10) & 1023] +
    DIGIT_PAIRS[low & 1023]
  );
}

export function encodeCursor(epoch: string, position: number): string {
  return epoch + '-' + encodePosition(position);
}

/**
 * Reads a cursor; `undefined` for an invalid text. It reads at most 22 characters of a hostile
 * text.
 */
export function parseCursor(text: string): Cursor | undefined {
  if (text.length !== CURSOR_LENGTH || text.charCodeAt(EPOCH_LENGTH) !== 45) return undefined;
  for (let index = 0; index < EPOCH_LENGTH; index++) if (digitAt(text, index) < 0) return undefined;
  let position = 0;
  for (let index = EPOCH_LENGTH + 1; index < CURSOR_LENGTH; index++) {
    const digit = digitAt(text, index);
    if (digit < 0) return undefined;
    position = position * 32 + digit;
  }
  return Number.isSafeInteger(position) ? { epoch: text.slice(0, EPOCH_LENGTH), position } : undefined;
}

/**
 * Makes a new epoch: eight digits of the time in milliseconds, two random digits.
 * @param nowMs the wall clock, milliseconds since 1970
 * @param randomFraction a number in [0, 1)
 */
export function createEpoch(nowMs: number, randomFraction: number): string {
  const time = encodePosition(Math.max(0, Math.floor(nowMs) - EPOCH_ORIGIN_MS)).slice(
    POSITION_LENGTH - EPOCH_TIME_LENGTH,
  );
  return time + encodePosition(Math.floor(randomFraction * 1024)).slice(POSITION_LENGTH - 2);
}

function digitAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < 128 ? (DIGIT_OF_CODE[code] as number) : -1;
}
