import type { Position, StoredRecord } from './ports.ts';
import { assertInvariant } from './primitives/invariant.ts';

/** Copying a smaller body costs more time than it saves. */
export const COPIED_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;
/** The overhead is one chunk at each end of the tail. */
const CHUNKS_PER_TAIL = 16;
/** A chunk holds at least four bodies, so less than a quarter of it stays unused. */
const BODIES_PER_CHUNK_MIN = 4;

interface Chunk {
  readonly memory: Uint8Array;
  used: number;
  /** Events of the tail with a body here. */
  count: number;
}

/** An event whose body was copied into a chunk. */
class CopiedRecord implements StoredRecord {
  readonly position: Position;
  readonly channel: string;
  readonly type: string | undefined;
  readonly timeMs: number;
  readonly trace: string | undefined;
  readonly chunk: Chunk;
  body: Uint8Array;

  constructor({ position, channel, type, timeMs, trace }: StoredRecord, chunk: Chunk, body: Uint8Array) {
    this.position = position;
    this.channel = channel;
    this.type = type;
    this.timeMs = timeMs;
    this.trace = trace;
    this.chunk = chunk;
    this.body = body;
  }

  get isBorrowing(): boolean {
    return this.body.buffer === this.chunk.memory.buffer;
  }
}

/**
 * Memory for the larger bodies of the tail, which newer events use again. An event is in the tail
 * for seconds or longer. V8 would move a body of its own to the old objects, and free it only when
 * it collects the whole heap. That holds up all readers.
 *
 * Example: of 64 events of 16 kB a second, each stays for 16 s. V8 collected the whole heap every
 * 3 s, or had 27 MB of bodies of the past. Now it collects young objects only.
 *
 * Who holds an event longer than the tail must call `own` first.
 */
export class TailMemory {
  readonly #chunkBytes: number;
  readonly #onCopied: ((bytes: number) => void) | undefined;
  /** The oldest first. Events go to the last one. */
  readonly #chunks: Chunk[] = [];
  /** The chunk that was emptied last. */
  #spare: Chunk | undefined;

  /** @param bytesMax the bound of the tail */
  constructor(bytesMax: number, onCopied?: (bytes: number) => void) {
    this.#onCopied = onCopied;
    this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, Math.floor(bytesMax / CHUNKS_PER_TAIL));
  }

  /** Returns the event with a copy of its body, or the same event. */
  add(record: StoredRecord): StoredRecord {
    const { body } = record;
    if (body.length < COPIED_BYTES_MIN || body.length > this.#chunkBytes / BODIES_PER_CHUNK_MIN) return record;
    const chunk = this.#chunkFor(body.length);
    const copy = chunk.memory.subarray(chunk.used, (chunk.used += body.length));
    copy.set(body);
    chunk.count++;
    this.#onCopied?.(body.length);
    return new CopiedRecord(record, chunk, copy);
  }

  /** Gives the event a body of its own. */
  own(record: StoredRecord): void {
    if (record instanceof CopiedRecord && record.isBorrowing) record.body = record.body.slice();
  }

  /** Overwrites the copy of an event that was erased from the log. */
  overwrite(record: StoredRecord): void {
    if (record instanceof CopiedRecord && record.isBorrowing) record.body.fill(0);
  }

  /** The event has left the tail. It must be the oldest. */
  remove(record: StoredRecord): void {
    if (!(record instanceof CopiedRecord)) return;
    const { chunk } = record;
    assertInvariant(chunk === this.#chunks[0], 'tail memory: the oldest event is in the oldest chunk');
    if (--chunk.count > 0) return;
    chunk.used = 0;
    if (this.#chunks.length > 1) this.#spare = this.#chunks.shift();
  }

  /** All events have left the tail. */
  clear(): void {
    this.#chunks.length = 0;
    this.#spare = undefined;
  }

  /** @param records the events of the tail */
  assertInvariants(records: Iterable<StoredRecord>): void {
    const counts = new Map(this.#chunks.map((chunk) => [chunk, 0]));
    for (const record of records) {
      if (!(record instanceof CopiedRecord)) continue;
      const count = counts.get(record.chunk);
      assertInvariant(count !== undefined, 'tail memory: the chunk of each event is known');
      counts.set(record.chunk, count + 1);
    }
    for (const [chunk, count] of counts) {
      assertInvariant(chunk.count === count, 'tail memory: a chunk counts its events');
      assertInvariant(count > 0 || chunk === this.#chunks.at(-1), 'tail memory: only the newest chunk may be empty');
    }
  }

  #chunkFor(bytes: number): Chunk {
    const newest = this.#chunks.at(-1);
    if (newest !== undefined && newest.used + bytes <= this.#chunkBytes) return newest;
    const chunk = this.#spare ?? { memory: new Uint8Array(this.#chunkBytes), used: 0, count: 0 };
    this.#spare = undefined;
    this.#chunks.push(chunk);
    return chunk;
  }
}
