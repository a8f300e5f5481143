/** So many small pieces are put into one: an object for each byte would take a hundred times what was sent. */
const CHUNKS_MAX = 256;

/** Bytes that come in pieces and are wanted whole. However small the pieces, they take little more memory than their bytes. */
export class ChunkBuffer {
  /** Nearly always there is no other. */
  #first: Buffer | undefined = undefined;
  #all: Buffer[] | undefined = undefined;
  #joinedCount = 0;
  bytes = 0;

  append(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.#first === undefined) this.#first = chunk;
    else {
      this.#all ??= [this.#first];
      this.#all.push(chunk);
      this.#joinedCount = compactChunks(this.#all, this.#joinedCount);
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
    this.#joinedCount = 0;
    this.bytes = 0;
  }
}

const NO_BYTES = Buffer.alloc(0);

/**
 * Puts the last pieces of a list into one, if they are many. Each byte is copied once.
 * @param joinedCount how many at the front are no small pieces any more
 * @returns the same, for the next time
 */
export function compactChunks(chunks: Buffer[], joinedCount: number): number {
  const start = Math.min(joinedCount, chunks.length);
  if (chunks.length - start < CHUNKS_MAX) return start;
  chunks.push(Buffer.concat(chunks.splice(start)));
  return chunks.length;
}
