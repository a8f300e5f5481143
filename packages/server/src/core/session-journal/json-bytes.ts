/** Room that an emptied buffer keeps. */
const KEPT_BYTES_MAX = 64 * 1024;
const FIRST_BYTES = 8192;
/** A call has a bounded number of arguments. */
const PIECE_BYTES = 4096;
const BILLION = 1_000_000_000;

/**
 * Writes JSON as bytes of ASCII into one buffer, which grows. Unlike `JSON.stringify`, it leaves no
 * strings for the garbage collector. Example: `.raw('[').number(7).raw(',').text('ann').raw(']')`
 */
export class JsonBytes {
  #bytes: Uint8Array;
  #length = 0;

  /** @param roomBytes that it begins with, at most those that an emptied buffer keeps */
  constructor(roomBytes: number = FIRST_BYTES) {
    this.#bytes = new Uint8Array(Math.min(roomBytes, KEPT_BYTES_MAX));
  }

  /** What was written. It is valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The same as a text. */
  get ascii(): string {
    const pieces: string[] = [];
    for (let at = 0; at < this.#length; at += PIECE_BYTES)
      pieces.push(String.fromCharCode(...this.#bytes.subarray(at, Math.min(at + PIECE_BYTES, this.#length))));
    return pieces.join('');
  }

  get length(): number {
    return this.#length;
  }

  get roomBytes(): number {
    return this.#bytes.length;
  }

  /** Writes ASCII as it is. */
  raw(ascii: string): this {
    if (this.#length + ascii.length > this.#bytes.length) this.#makeRoom(ascii.length);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let index = 0; index < ascii.length; index++) bytes[start + index] = ascii.charCodeAt(index);
    this.#length = start + ascii.length;
    return this;
  }

  /** Writes one character of ASCII, by its code. */
  byte(code: number): this {
    if (this.#length + 1 > this.#bytes.length) this.#makeRoom(1);
    this.#bytes[this.#length++] = code;
    return this;
  }

  /** Writes a number, or `null`. */
  number(value: number | undefined): this {
    if (value === undefined) return this.raw('null');
    if (!isWhole(value)) return this.raw(String(value));
    if (this.#length + DIGITS_MAX > this.#bytes.length) this.#makeRoom(DIGITS_MAX);
    this.#length = writeWhole(this.#bytes, this.#length, value);
    return this;
  }

  /** Writes a text with its quotes, or `null`. */
  text(value: string | undefined): this {
    if (value === undefined) return this.raw('null');
    if (this.#length + value.length + 2 > this.#bytes.length) this.#makeRoom(value.length + 2);
    const end = writePlainText(this.#bytes, this.#length, value);
    if (end < 0) return this.raw(asciiJson(value));
    this.#length = end;
    return this;
  }

  /** Writes an array of texts, or `null`. */
  texts(values: readonly string[] | undefined): this {
    if (values === undefined) return this.raw('null');
    this.raw('[');
    for (let index = 0; index < values.length; index++) {
      if (index > 0) this.raw(',');
      this.text(values[index]);
    }
    return this.raw(']');
  }

  /**
   * Writes the line `[KIND,FIRST,"USER",SECOND,"TEXT",THIRD]` in one go: the room is checked once.
   * Without a user it has `null` there. Returns false, and writes nothing, if a text needs escapes
   * or a number is not whole.
   */
  plainLine(
    kind: number,
    first: number,
    user: string | undefined,
    second: number,
    text: string,
    third: number,
  ): boolean {
    if (!isWhole(first) || !isWhole(second) || !isWhole(third)) return false;
    const needed = text.length + (user === undefined ? 0 : user.length) + PLAIN_LINE_BYTES;
    if (this.#length + needed > this.#bytes.length) this.#makeRoom(needed);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at] = OPEN;
    bytes[at + 1] = ZERO + kind;
    bytes[at + 2] = COMMA;
    at = writeWhole(bytes, at + 3, first);
    bytes[at] = COMMA;
    at = user === undefined ? writeNull(bytes, at + 1) : writePlainText(bytes, at + 1, user);
    if (at < 0) return false;
    bytes[at] = COMMA;
    at = writeWhole(bytes, at + 1, second);
    bytes[at] = COMMA;
    at = writePlainText(bytes, at + 1, text);
    if (at < 0) return false;
    bytes[at] = COMMA;
    at = writeWhole(bytes, at + 1, third);
    bytes[at] = CLOSE;
    bytes[at + 1] = LINE_BREAK;
    this.#length = at + 2;
    return true;
  }

  /** Makes it empty. Returns false if its room is too large to be kept. */
  clear(): boolean {
    this.#length = 0;
    return this.#bytes.length <= KEPT_BYTES_MAX;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

function isWhole(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

function writeNull(bytes: Uint8Array, start: number): number {
  bytes[start] = LOWER_N;
  bytes[start + 1] = LOWER_U;
  bytes[start + 2] = LOWER_L;
  bytes[start + 3] = LOWER_L;
  return start + 4;
}

/** Writes a text with its quotes, and returns where it ends; -1 if it needs escapes. */
function writePlainText(bytes: Uint8Array, start: number, text: string): number {
  const first = start + 1;
  bytes[start] = QUOTE;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) return -1;
    bytes[first + index] = code;
  }
  const end = first + text.length;
  bytes[end] = QUOTE;
  return end + 1;
}

/** Writes a whole number, and returns where it ends. */
function writeWhole(bytes: Uint8Array, start: number, value: number): number {
  if (value < BILLION) return writeDigits(bytes, start, value, digitsOf(value));
  // A time is larger. Its two parts have 32 bits, which are faster.
  const lower = value % BILLION;
  const upper = (value - lower) / BILLION;
  return writeDigits(bytes, writeDigits(bytes, start, upper, digitsOf(upper)), lower, 9);
}

/** Writes the digits of a whole number below a billion, the last one first. */
function writeDigits(bytes: Uint8Array, start: number, value: number, count: number): number {
  const end = start + count;
  // Of 32 bits, so that the division is one of whole numbers.
  let rest = value | 0;
  for (let at = end - 1; at >= start; at--) {
    bytes[at] = ZERO + (rest % 10);
    rest = (rest / 10) | 0;
  }
  return end;
}

function digitsOf(value: number): number {
  let count = 1;
  for (let power = 10; power <= value; power *= 10) count++;
  return count;
}

/** Of a whole number. */
const DIGITS_MAX = 16;
/** A plain line without its texts. */
const PLAIN_LINE_BYTES = 3 * DIGITS_MAX + 18;
const LINE_BREAK = 10;
const COMMA = 44;
const OPEN = 91;
const CLOSE = 93;
const LOWER_L = 108;
const LOWER_N = 110;
const LOWER_U = 117;
const ZERO = 48;
const SPACE = 32;
const TILDE = 126;
const QUOTE = 34;
const BACKSLASH = 92;

/** A value as JSON in ASCII: other characters are escaped. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
