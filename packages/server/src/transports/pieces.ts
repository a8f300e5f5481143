/** So many small pieces are put into one: an object for each byte would take a hundred times what was sent. */
const PIECES_MAX = 256;

/** Bytes that come in pieces and are wanted whole. However small the pieces, they take little more memory than their bytes. */
export class Pieces {
  /** Nearly always there is no other. */
  #first: Buffer | undefined = undefined;
  #all: Buffer[] | undefined = undefined;
  #joined = 0;
  bytes = 0;

  add(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.#first === undefined) this.#first = piece;
    else {
      this.#all ??= [this.#first];
      this.#all.push(piece);
      this.#joined = joinTail(this.#all, this.#joined);
    }
  }

  /** All of them; there are none from then on. */
  take(): Buffer {
    const whole = this.#all === undefined ? (this.#first ?? NO_BYTES) : Buffer.concat(this.#all, this.bytes);
    this.clear();
    return whole;
  }

  clear(): void {
    this.#first = undefined;
    this.#all = undefined;
    this.#joined = 0;
    this.bytes = 0;
  }
}

const NO_BYTES = Buffer.alloc(0);

/**
 * Puts the last pieces of a list into one, if they are many. Each byte is copied once.
 * @param joined how many at the front are no small pieces any more
 * @returns the same, for the next time
 */
export function joinTail(pieces: Buffer[], joined: number): number {
  const start = Math.min(joined, pieces.length);
  if (pieces.length - start < PIECES_MAX) return start;
  pieces.push(Buffer.concat(pieces.splice(start)));
  return pieces.length;
}
