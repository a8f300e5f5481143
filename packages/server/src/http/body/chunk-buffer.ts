/**
 * The number of small pieces that are joined into one. One object for each byte would take a
 * hundred times the memory of the bytes.
 */
const CHUNKS_MAX = 256;

/**
 * Collects bytes that arrive in pieces. However small the pieces are, they take little more memory
 * than their bytes.
 */
export class ChunkBuffer {
  /** Usually the only piece. */
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

  /** Returns all bytes as one buffer and empties this one. */
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
 * Joins the last pieces of a list if there are many. Each byte is copied once.
 * @param joinedCount the number of pieces at the front that are joined already
 * @returns the new number, for the next call
 */
export function compactChunks(chunks: Buffer[], joinedCount: number): number {
  const start = Math.min(joinedCount, chunks.length);
  if (chunks.length - start < CHUNKS_MAX) return start;
  chunks.push(Buffer.concat(chunks.splice(start)));
  return chunks.length;
}
