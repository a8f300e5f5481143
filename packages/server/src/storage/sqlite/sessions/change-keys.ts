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
  return hash % SHARDS;
}

/** Neighbours are in one shard, since a page of sessions asks for all of them. */
export const NEIGHBOURS = 64;

export function shardOfSession(number: number): number {
  return Math.floor(number / NEIGHBOURS) % SHARDS;
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

/** The keys of a segment that still grows. Those of a shard are in the order of its lines. */
export class GrowingKeys {
  #keys = new Uint32Array(64 * NUMBERS);
  /** The shard of each key. */
  #shards = new Uint8Array(64);
  #count = 0;

  add(shard: number, asked: number, session: number, place: number, second: number): void {
    const count = this.#count++;
    if (count === this.#shards.length) this.#grow();
    this.#shards[count] = shard;
    const keys = this.#keys;
    const index = count * NUMBERS;
    keys[index] = asked;
    keys[index + 1] = session;
    keys[index + 2] = place;
    keys[index + 3] = second;
  }

  /** A copy of the keys of one shard. */
  of(shard: number): Uint32Array {
    const selected: number[] = [];
    for (let index = 0; index < this.#count; index++)
      if (this.#shards[index] === shard) selected.push(...this.#keys.subarray(index * NUMBERS, (index + 1) * NUMBERS));
    return Uint32Array.from(selected);
  }

  /** A copy of all keys, by shard. */
  byShard(): readonly Uint32Array[] {
    const lengths = new Uint32Array(SHARDS);
    for (let index = 0; index < this.#count; index++) add(lengths, this.#shards[index] as number);
    const shards = Array.from(lengths, (length) => new Uint32Array(length));
    const filled = new Uint32Array(SHARDS);
    for (let index = 0; index < this.#count; index++) {
      const shard = this.#shards[index] as number;
      const start = add(filled, shard);
      const keys = shards[shard] as Uint32Array;
      for (let each = 0; each < NUMBERS; each++) keys[start + each] = this.#keys[index * NUMBERS + each] as number;
    }
    return shards;
  }

  replace(shard: number, keys: Uint32Array): void {
    const shards = this.byShard();
    this.#count = 0;
    for (const [index, each] of shards.entries()) this.#addAll(index, index === shard ? keys : each);
  }

  #addAll(shard: number, keys: Uint32Array): void {
    for (let index = 0; index < keys.length; index += NUMBERS) {
      const [asked = 0, session = 0, place = 0, second = 0] = keys.subarray(index, index + NUMBERS);
      this.add(shard, asked, session, place, second);
    }
  }

  #grow(): void {
    const [keys, shards] = [this.#keys, this.#shards];
    this.#keys = new Uint32Array(2 * keys.length);
    this.#keys.set(keys);
    this.#shards = new Uint8Array(2 * shards.length);
    this.#shards.set(shards);
  }
}

/** Adds a key to the length of a shard. Returns the length before. */
function add(lengths: Uint32Array, shard: number): number {
  const before = lengths[shard] as number;
  lengths[shard] = before + NUMBERS;
  return before;
}
