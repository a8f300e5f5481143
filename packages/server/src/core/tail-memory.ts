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
  /** Bytes before these belong to events that have left the tail. */
  first: number;
  /** Bytes from here on are free. */
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
  body: Uint8Array;
  /** `undefined` when the event has left the tail: whoever kept it does not hold a whole chunk. */
  chunk: Chunk | undefined;
  /** The end of its copy in the chunk. */
  readonly end: number;

  constructor({ position, channel, type, timeMs, trace }: StoredRecord, body: Uint8Array, chunk: Chunk) {
    this.position = position;
    this.channel = channel;
    this.type = type;
    this.timeMs = timeMs;
    this.trace = trace;
    this.body = body;
    this.chunk = chunk;
    this.end = chunk.used;
  }
}

/**
 * Memory for the larger bodies of the tail, which newer events use again. An event is in the tail
 * for seconds or longer. V8 would move a body of its own to the old objects, and free it only when
 * it collects the whole heap. That holds up all readers.
 *
 * Example: of 64 events of 16 kB a second, each stays for 16 s. V8 collected the whole heap every
 * 3 s, or held 27 MB of bodies that had left the tail. Now it collects young objects only.
 *
 * Whoever holds an event longer than the tail must call `own` first.
 */
export class TailMemory {
  readonly #chunkBytes: number;
  /** The oldest first. Events go to the last one. */
  readonly #chunks: Chunk[] = [];
  /** The chunk that was emptied last. */
  #spare: Chunk | undefined;

  /** @param bytesMax the bound of the tail */
  constructor(bytesMax: number) {
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
    return new CopiedRecord(record, copy, chunk);
  }

  /** Gives the event a body of its own. */
  own(record: StoredRecord): void {
    if (record instanceof CopiedRecord && record.body.buffer === record.chunk?.memory.buffer)
      record.body = record.body.slice();
  }

  /** The event has left the tail. It must be the oldest. */
  remove(record: StoredRecord): void {
    if (!(record instanceof CopiedRecord)) return;
    const chunk = this.#chunks[0];
    assertInvariant(
      chunk !== undefined && chunk === record.chunk,
      'tail memory: the oldest event is in the oldest chunk',
    );
    record.chunk = undefined;
    chunk.first = record.end;
    if (--chunk.count > 0) return;
    chunk.first = chunk.used = 0;
    if (this.#chunks.length > 1) this.#spare = this.#chunks.shift();
  }

  /** Overwrites what is left of events that have left the tail, because some were erased. */
  overwriteUnused(): void {
    for (const { memory, first, used } of this.#spare === undefined ? this.#chunks : [...this.#chunks, this.#spare])
      memory.fill(0, 0, first).fill(0, used);
  }

  /** @param records the events of the tail */
  assertInvariants(records: Iterable<StoredRecord>): void {
    const counts = new Map(this.#chunks.map((chunk) => [chunk, 0]));
    for (const record of records) {
      if (!(record instanceof CopiedRecord)) continue;
      const { chunk } = record;
      const count = chunk === undefined ? undefined : counts.get(chunk);
      assertInvariant(chunk !== undefined && count !== undefined, 'tail memory: the chunk of each event is known');
      counts.set(chunk, count + 1);
    }
    for (const [chunk, count] of counts) {
      assertInvariant(chunk.count === count, 'tail memory: a chunk counts its events');
      assertInvariant(count > 0 || chunk === this.#chunks.at(-1), 'tail memory: only the newest chunk may be empty');
    }
  }

  #chunkFor(bytes: number): Chunk {
    const newest = this.#chunks.at(-1);
    if (newest !== undefined && newest.used + bytes <= this.#chunkBytes) return newest;
    const chunk = this.#spare ?? { memory: new Uint8Array(this.#chunkBytes), first: 0, used: 0, count: 0 };
    this.#spare = undefined;
    this.#chunks.push(chunk);
    return chunk;
  }
}
