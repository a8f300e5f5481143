import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BATCH_LINES, type ChangeBatch } from '../../../core/session-journal/change-batch.ts';
import { subjectOfLine } from '../../../core/session-journal/change-lines.ts';
import type { RingBounds } from '../../shared/ring-bounds.ts';
import { SHARDS } from './change-keys.ts';
import { GrowingSegment, SEGMENT_LINES, type Segment } from './segment.ts';

/** Segments of a full ring, at least. So a full ring removes an eighth of its sessions at most. */
const SEGMENTS_MIN = 8;

const LOAD_SEGMENTS = `SELECT id, first_batch AS firstBatch, last_batch AS lastBatch, first_session AS firstSession,
    last_session AS lastSession, sessions, first_ms AS firstMs, last_ms AS lastMs, oldest_second AS oldestSecond
  FROM segment ORDER BY id`;
const LOAD_BATCHES = 'SELECT id, written_ms AS writtenMs, lines FROM batch WHERE id > ? ORDER BY id';

/** The segments of the journal: which one takes the next line, and which one is removed. */
export class SegmentRing {
  readonly #database: DatabaseSync;
  readonly #bounds: RingBounds;
  readonly #statements: Statements;
  /** The oldest first. */
  #complete: Segment[] = [];
  #growing: GrowingSegment | undefined;
  #newestSession = 0;

  constructor(database: DatabaseSync, bounds: RingBounds) {
    this.#database = database;
    this.#bounds = bounds;
    this.#statements = prepareStatements(database);
    this.reload();
  }

  /** The oldest first. The last one may still grow. */
  get segments(): readonly Segment[] {
    return this.#growing === undefined ? this.#complete : [...this.#complete, this.#growing];
  }

  get oldest(): Segment | undefined {
    return this.#complete[0] ?? this.#growing;
  }

  get newestSession(): number {
    return this.#newestSession;
  }

  /** The number of sessions, with those that were erased. */
  get size(): number {
    return this.segments.reduce((sum, { sessions }) => sum + sessions, 0);
  }

  /** The sessions of a segment, at most. */
  get #segmentSessionsMax(): number {
    return Math.max(1, Math.floor(this.#bounds.sessionsMax / SEGMENTS_MIN));
  }

  /** The changes of a batch, at most. A batch is in one segment. */
  get batchLinesMax(): number {
    return Math.min(BATCH_LINES, this.#segmentSessionsMax);
  }

  /** Adds a batch. Call it inside a transaction. */
  append(batch: ChangeBatch, run: number, nowMs: number): void {
    if (batch.count === 0) return;
    if (this.#growing !== undefined && this.#isFull(this.#growing, batch.openings, nowMs)) {
      this.#complete.push(this.#store(this.#growing));
      this.#growing = undefined;
    }
    const growing = (this.#growing ??= this.#nextSegment(nowMs));
    const id = growing.lastBatch + 1;
    for (let index = 0; index < batch.count; index++) growing.add(batch.subjectAt(index), id, index, nowMs);
    this.#newestSession = growing.lastSession;
    const { bytes } = batch;
    const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    this.#statements.addBatch.run(id, run, nowMs, lines);
  }

  /** Removes what is beyond the bounds. Returns whether there was something. */
  dropExpired(nowMs: number): boolean {
    let hasDropped = false;
    for (let size = this.size; ; hasDropped = true) {
      const { oldest } = this;
      if (oldest === undefined) return hasDropped;
      if (size <= this.#bounds.sessionsMax && oldest.lastMs >= nowMs - this.#bounds.ageMaxMs) return hasDropped;
      size -= oldest.sessions;
      this.#drop(oldest);
    }
  }

  /** The keys of one shard of a segment. */
  keys(segment: Segment, shard: number): Uint32Array {
    if (segment === this.#growing) return this.#growing.keys.of(shard);
    const row = this.#statements.shard.get(shardId(segment, shard)) as { readonly keys: Uint8Array } | undefined;
    // The bytes begin anywhere in a buffer; a copy begins at a multiple of four.
    return row === undefined ? new Uint32Array(0) : new Uint32Array(row.keys.slice().buffer);
  }

  replaceKeys(segment: Segment, shard: number, keys: Uint32Array): void {
    if (segment === this.#growing) this.#growing.keys.replace(shard, keys);
    else this.#statements.setShard.run(bytesOf(keys), shardId(segment, shard));
  }

  /** Reads the state again, after a transaction that failed. */
  reload(): void {
    this.#complete = this.#database.prepare(LOAD_SEGMENTS).all() as unknown as Segment[];
    const newest = this.#complete.at(-1);
    this.#newestSession = newest?.lastSession ?? 0;
    this.#growing = undefined;
    for (const row of this.#database.prepare(LOAD_BATCHES).iterate(newest?.lastBatch ?? 0))
      this.#loadBatch(row as unknown as BatchRow);
  }

  #loadBatch({ id, writtenMs, lines }: BatchRow): void {
    this.#growing ??= new GrowingSegment(this.#nextId(), id, this.#newestSession, writtenMs);
    const texts = lines.split('\n');
    for (let index = 0; index < texts.length; index++) {
      const subject = subjectOfLine(texts, index);
      if (subject !== undefined) this.#growing.add(subject, id, index, writtenMs);
    }
    this.#newestSession = this.#growing.lastSession;
  }

  #isFull({ sessions, lines, firstMs }: GrowingSegment, moreSessions: number, nowMs: number): boolean {
    return (
      lines + BATCH_LINES > SEGMENT_LINES ||
      sessions + moreSessions > this.#segmentSessionsMax ||
      nowMs - firstMs >= this.#bounds.ageMaxMs / SEGMENTS_MIN
    );
  }

  #nextId(): number {
    return (this.#complete.at(-1)?.id ?? 0) + 1;
  }

  #nextSegment(nowMs: number): GrowingSegment {
    const firstBatch = (this.#complete.at(-1)?.lastBatch ?? 0) + 1;
    return new GrowingSegment(this.#nextId(), firstBatch, this.#newestSession, nowMs);
  }

  #store({ keys, ...segment }: GrowingSegment): Segment {
    const { id, firstBatch, lastBatch, firstSession, lastSession, sessions, firstMs, lastMs } = segment;
    const oldestSecond = Math.min(segment.oldestSecond, Math.floor(lastMs / 1000));
    const stored = { id, firstBatch, lastBatch, firstSession, lastSession, sessions, firstMs, lastMs, oldestSecond };
    this.#statements.addSegment.run(...Object.values(stored));
    for (const [shard, ofShard] of keys.byShard().entries())
      this.#statements.addShard.run(shardId(segment, shard), bytesOf(ofShard));
    return stored;
  }

  #drop(segment: Segment): void {
    const { id, firstBatch, lastBatch } = segment;
    this.#statements.dropBatches.run(firstBatch, lastBatch);
    if (segment === this.#growing) {
      this.#growing = undefined;
      return;
    }
    this.#complete.shift();
    this.#statements.dropShards.run(shardId(segment, 0), shardId(segment, SHARDS - 1));
    this.#statements.dropSegment.run(id);
  }
}

interface BatchRow {
  readonly id: number;
  readonly writtenMs: number;
  readonly lines: string;
}

interface Statements {
  readonly addBatch: StatementSync;
  readonly addSegment: StatementSync;
  readonly addShard: StatementSync;
  readonly shard: StatementSync;
  readonly setShard: StatementSync;
  readonly dropBatches: StatementSync;
  readonly dropShards: StatementSync;
  readonly dropSegment: StatementSync;
}

function prepareStatements(database: DatabaseSync): Statements {
  return {
    addBatch: database.prepare('INSERT INTO batch VALUES (?, ?, ?, ?)'),
    addSegment: database.prepare('INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    addShard: database.prepare('INSERT INTO shard VALUES (?, ?)'),
    shard: database.prepare('SELECT keys FROM shard WHERE id = ?'),
    setShard: database.prepare('UPDATE shard SET keys = ? WHERE id = ?'),
    dropBatches: database.prepare('DELETE FROM batch WHERE id BETWEEN ? AND ?'),
    dropShards: database.prepare('DELETE FROM shard WHERE id BETWEEN ? AND ?'),
    dropSegment: database.prepare('DELETE FROM segment WHERE id = ?'),
  };
}

function shardId({ id }: Pick<Segment, 'id'>, shard: number): number {
  return id * SHARDS + shard;
}

function bytesOf(keys: Uint32Array): Uint8Array {
  return new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength);
}
