/** Room that an emptied buffer keeps. */
const KEPT_BYTES_MAX = 16 * 1024;
const FIRST_BYTES = 4096;
/** A number has at most this many digits and signs. */
const NUMBER_BYTES = 32;

/**
 * Writes JSON as bytes of ASCII into one buffer, which grows. `JSON.stringify` would take several
 * times as long, and leave a string. Example: `.raw('[').number(7).raw(',').text('ann').raw(']')`
 */
export class JsonBytes {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** What was written. It is valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get roomBytes(): number {
    return this.#bytes.length;
  }

  /** Writes ASCII as it is. */
  raw(ascii: string): this {
    this.#makeRoom(ascii.length);
    for (let index = 0; index < ascii.length; index++) this.#bytes[this.#length++] = ascii.charCodeAt(index);
    return this;
  }

  copy(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes a number, or `null`. */
  number(value: number | undefined): this {
    if (value === undefined) return this.raw('null');
    if (!Number.isSafeInteger(value) || value < 0) return this.raw(String(value));
    this.#makeRoom(NUMBER_BYTES);
    const start = this.#length;
    let rest = value;
    do {
      const digit = rest % 10;
      this.#bytes[this.#length++] = ZERO + digit;
      rest = (rest - digit) / 10;
    } while (rest > 0);
    this.#bytes.subarray(start, this.#length).reverse();
    return this;
  }

  /** Writes a text with its quotes, or `null`. */
  text(value: string | undefined): this {
    if (value === undefined) return this.raw('null');
    this.#makeRoom(value.length + 2);
    const start = this.#length;
    this.#bytes[this.#length++] = QUOTE;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) {
        this.#length = start;
        return this.raw(asciiJson(value));
      }
      this.#bytes[this.#length++] = code;
    }
    this.#bytes[this.#length++] = QUOTE;
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

  /** Makes it empty. Returns false if its room is too large to be kept. */
  clear(): boolean {
    this.#length = 0;
    return this.#bytes.length <= KEPT_BYTES_MAX;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

const ZERO = 48;
const SPACE = 32;
const TILDE = 126;
const QUOTE = 34;
const BACKSLASH = 92;

/** A text as JSON whose other characters are escaped. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
