/**
 * A validating JSON scanner (RFC 8259). It finds the start and end of values without building them,
 * so that published data passes through character for character (PROTOCOL.md section 3.2).
 *
 * One scanner serves many texts; it holds only the current one. It does not recurse: nesting costs
 * one byte for each level, up to its limit.
 */

/** The deepest accepted nesting of arrays and objects. */
export const JSON_DEPTH_MAX = 128;

const OBJECT = 1;
const ARRAY = 2;

export class JsonScanner {
  text = '';
  /** The index of the next character; after an error, the index of the error. */
  index = 0;
  /** The index behind the last character to read. */
  end = 0;
  /** Valid once a scan has returned false. */
  errorCode: 'invalid_json' | 'json_too_deep' = 'invalid_json';
  /** Whether the scanner has skipped white space with a line break since the last `reset`. */
  sawLineBreak = false;

  readonly #depthMax: number;
  readonly #openContainers: Uint8Array;

  /**
   * @param depthMax the deepest nesting of a value: more than `JSON_DEPTH_MAX` when the text holds
   * data together with an object around it
   */
  constructor(depthMax: number = JSON_DEPTH_MAX) {
    this.#depthMax = depthMax;
    this.#openContainers = new Uint8Array(depthMax + 1);
  }

  reset(text: string, index = 0, end: number = text.length): void {
    this.text = text;
    this.index = index;
    this.end = end;
    this.errorCode = 'invalid_json';
    this.sawLineBreak = false;
  }

  /** Skips white space; returns the code of the next character, -1 at the end. */
  peek(): number {
    const { text, end } = this;
    let index = this.index;
    while (index < end) {
      const code = text.charCodeAt(index);
      if (code > 32) break;
      if (code === 10 || code === 13) this.sawLineBreak = true;
      else if (code !== 32 && code !== 9) break;
      index++;
    }
    this.index = index;
    return index < end ? text.charCodeAt(index) : -1;
  }

  /** Skips white space and then this character; false if another one follows. */
  consume(code: number): boolean {
    if (this.peek() !== code) return false;
    this.index++;
    return true;
  }

  /** Whether nothing but white space is left. */
  atEnd(): boolean {
    return this.peek() === -1;
  }

  /** Skips one value of any kind and the white space before it. */
  skipValue(): boolean {
    let depth = 0;
    for (;;) {
      const code = this.peek();
      if (code === 123 || code === 91) {
        this.index++;
        const closingCode = code === 123 ? 125 : 93;
        if (this.peek() === closingCode) {
          if (depth >= this.#depthMax) return this.#tooDeep();
          this.index++;
        } else {
          if (depth >= this.#depthMax) return this.#tooDeep();
          this.#openContainers[depth++] = code === 123 ? OBJECT : ARRAY;
          if (code === 123 && !this.skipKey()) return false;
          continue;
        }
      } else if (!this.#scalar(code)) return false;

      // A value has ended: close the containers that end with it, or go on to the next member or
      // element.
      for (;;) {
        if (depth === 0) return true;
        const next = this.peek();
        const kind = this.#openContainers[depth - 1];
        if (next === 44) {
          this.index++;
          if (kind === OBJECT && !this.skipKey()) return false;
          break;
        }
        if (next !== (kind === OBJECT ? 125 : 93)) return false;
        this.index++;
        depth--;
      }
    }
  }

  /** Skips a member's name and its colon. */
  skipKey(): boolean {
    return this.peek() === 34 && this.skipString() && this.consume(58);
  }

  /** Skips the string that begins at `index`, with its quotes. */
  skipString(): boolean {
    const { text, end } = this;
    let index = this.index + 1;
    while (index < end) {
      const code = text.charCodeAt(index);
      if (code === 34) {
        this.index = index + 1;
        return true;
      }
      if (code < 32) break;
      if (code === 92) {
        const length = escapeLength(text, index, end);
        if (length === 0) break;
        index += length;
      } else index++;
    }
    this.index = index;
    return false;
  }

  #scalar(code: number): boolean {
    switch (code) {
      case 34:
        return this.skipString();
      case 116:
        return this.#literal('true');
      case 102:
        return this.#literal('false');
      case 110:
        return this.#literal('null');
      default:
        return this.#number(code);
    }
  }

  #literal(word: string): boolean {
    if (this.index + word.length > this.end || !this.text.startsWith(word, this.index)) return false;
    this.index += word.length;
    return true;
  }

  #number(first: number): boolean {
    let code = first;
    if (code === 45) code = this.#next();
    if (code === 48) code = this.#next();
    else if (isDigit(code)) code = this.#digits();
    else return false;
    if (code === 46) {
      if (!isDigit(this.#next())) return false;
      code = this.#digits();
    }
    if (code === 101 || code === 69) {
      code = this.#next();
      if (code === 43 || code === 45) code = this.#next();
      if (!isDigit(code)) return false;
      this.#digits();
    }
    return true;
  }

  #next(): number {
    this.index++;
    return this.index < this.end ? this.text.charCodeAt(this.index) : -1;
  }

  #digits(): number {
    let code = this.#next();
    while (isDigit(code)) code = this.#next();
    return code;
  }

  #tooDeep(): false {
    this.errorCode = 'json_too_deep';
    return false;
  }
}

/**
 * Removes line breaks between tokens, and the white space after them, from valid JSON (PROTOCOL.md
 * section 3.2).
 */
export function withoutLineBreaks(json: string): string {
  // A valid JSON string contains no raw line break, so each one is between tokens.
  return json.replace(/[\r\n][ \t\r\n]*/g, '');
}

/** The value of a JSON string token; the token includes its quotes. */
export function decodeStringToken(token: string): string {
  return token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** The length of the escape at `index`; 0 for an invalid one. */
function escapeLength(text: string, index: number, end: number): number {
  const code = index + 1 < end ? text.charCodeAt(index + 1) : -1;
  if (code !== 117) return ESCAPES.has(code) ? 2 : 0;
  if (index + 6 > end) return 0;
  for (let at = index + 2; at < index + 6; at++) if (!isHexDigit(text.charCodeAt(at))) return 0;
  return 6;
}

const ESCAPES: ReadonlySet<number> = new Set([34, 92, 47, 98, 102, 110, 114, 116]);

function isHexDigit(code: number): boolean {
  return isDigit(code) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);
}
