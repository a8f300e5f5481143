import { BATCH_LINES, type LineSubjects } from '../../../core/session-journal/change-batch.ts';

/**
 * A key leads from something that is asked for to a line of the journal. Example: Ann's session 7
 * opens, and the line has three keys: the hash of her name, the hash of the session's id, and 7.
 *
 * A key is four numbers of 32 bits. The first is what a lookup searches for. The others are the
 * session, the place of the line in its segment, and the second of the opening (`NOT_OPENED` for
 * any other line). Different texts may have the same hash, so a reader compares the line itself.
 */
const NUMBERS = 4;

export const NOT_OPENED = 0xffffffff;

/** The keys of a segment are in this many rows, so that a question reads one of them. */
export const SHARDS = 256;

export function shardOfHash(hash: number): number {
  // Of whole numbers: a remainder of others takes ten times as long.
  return (hash >>> 0) % SHARDS;
}

/** Neighbours are in one shard, since a page of sessions asks for all of them. */
export const NEIGHBOURS = 64;

export function shardOfSession(number: number): number {
  return (Math.floor(number / NEIGHBOURS) >>> 0) % SHARDS;
}

/** What a reader sees of a key. */
export interface Key {
  /** The lower 32 bits of the session's number. */
  readonly session: number;
  /** The place of the line in its segment. */
  readonly place: number;
  /** The second of the opening, since 1970; `NOT_OPENED` for another line. */
  readonly second: number;
}

/** Yields the keys of one thing that is asked for. */
export function* keysOf(keys: Uint32Array, asked: number): Generator<Key> {
  for (let index = 0; index < keys.length; index += NUMBERS)
    if (keys[index] === asked)
      yield { session: keys[index + 1] ?? 0, place: keys[index + 2] ?? 0, second: keys[index + 3] ?? 0 };
}

/** Yields the keys by which lines of sessions are found by their numbers. */
export function* sessionKeys(keys: Uint32Array): Generator<Key> {
  for (let index = 0; index < keys.length; index += NUMBERS) {
    const session = keys[index + 1] ?? 0;
    if (keys[index] === session) yield { session, place: keys[index + 2] ?? 0, second: keys[index + 3] ?? 0 };
  }
}

/** The keys without those that `isRemoved` names. */
export function withoutKeys(keys: Uint32Array, isRemoved: (asked: number, session: number) => boolean): Uint32Array {
  const kept: number[] = [];
  for (let index = 0; index < keys.length; index += NUMBERS)
    if (!isRemoved(keys[index] ?? 0, keys[index + 1] ?? 0)) kept.push(...keys.subarray(index, index + NUMBERS));
  return Uint32Array.from(kept);
}

/**
 * The keys of a segment that still grows: a column for each of what its lines are found by. So a
 * batch is added by a copy of its columns. Keys are made when a question asks for them, or when the
 * segment is complete.
 */
export class GrowingKeys {
  #sessions = new Float64Array(BATCH_LINES);
  #userHashes = new Float64Array(BATCH_LINES);
  #idHashes = new Float64Array(BATCH_LINES);
  #openedMs = new Float64Array(BATCH_LINES);
  #places = new Uint32Array(BATCH_LINES);
  #count = 0;

  /** Adds consecutive lines. @param firstPlace the place of the first one in the segment */
  add({ sessions, userHashes, idHashes, openedMs }: LineSubjects, firstPlace: number): void {
    const at = this.#count;
    const count = at + sessions.length;
    while (count > this.#places.length) this.#grow();
    this.#sessions.set(sessions, at);
    this.#userHashes.set(userHashes, at);
    this.#idHashes.set(idHashes, at);
    this.#openedMs.set(openedMs, at);
    for (let index = at; index < count; index++) this.#places[index] = firstPlace + index - at;
    this.#count = count;
  }

  /** The keys of one shard, in the order of its lines. */
  of(shard: number): Uint32Array {
    return this.#shards(shard)[shard] as Uint32Array;
  }

  /** All keys, by shard. */
  byShard(): readonly Uint32Array[] {
    return this.#shards(undefined);
  }

  /** Removes the hash of a user's name from lines of some sessions. */
  removeUser(hash: number, isRemoved: (session: number) => boolean): void {
    for (let index = 0; index < this.#count; index++)
      if (this.#userHashes[index] === hash && isRemoved((this.#sessions[index] as number) >>> 0))
        this.#userHashes[index] = -1;
  }

  /** @param wanted the other shards stay empty; `undefined`: none does */
  #shards(wanted: number | undefined): readonly Uint32Array[] {
    const lengths = new Uint32Array(SHARDS);
    this.#place(lengths, undefined, wanted);
    const shards = Array.from(lengths, (length) => new Uint32Array(length));
    this.#place(lengths.fill(0), shards, wanted);
    return shards;
  }

  #place(lengths: Uint32Array, shards: readonly Uint32Array[] | undefined, wanted: number | undefined): void {
    for (let index = 0; index < this.#count; index++) {
      const number = this.#sessions[index] as number;
      const userHash = this.#userHashes[index] as number;
      const idHash = this.#idHashes[index] as number;
      const openedMs = this.#openedMs[index] as number;
      const place = this.#places[index] as number;
      const session = number >>> 0;
      const second = openedMs < 0 ? NOT_OPENED : Math.floor(openedMs / 1000);
      const put = (shard: number, asked: number, ofOpening: number): void => {
        if (wanted !== undefined && shard !== wanted) return;
        const start = lengths[shard] as number;
        lengths[shard] = start + NUMBERS;
        const keys = shards?.[shard];
        if (keys === undefined) return;
        keys[start] = asked;
        keys[start + 1] = session;
        keys[start + 2] = place;
        keys[start + 3] = ofOpening;
      };
      put(shardOfSession(number), session, idHash < 0 ? NOT_OPENED : second);
      if (userHash >= 0) put(shardOfHash(userHash), userHash, second);
      if (idHash >= 0) put(shardOfHash(idHash), idHash, second);
    }
  }

  #grow(): void {
    this.#sessions = doubled(this.#sessions);
    this.#userHashes = doubled(this.#userHashes);
    this.#idHashes = doubled(this.#idHashes);
    this.#openedMs = doubled(this.#openedMs);
    const places = new Uint32Array(2 * this.#places.length);
    places.set(this.#places);
    this.#places = places;
  }
}

function doubled(column: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * column.length);
  larger.set(column);
  return larger;
}
