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

/** 32 bits of a text (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

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

/** The keys of a segment that still grows, by shard. */
export class GrowingKeys {
  readonly #shards: { keys: Uint32Array; length: number }[] = Array.from({ length: SHARDS }, () => ({
    keys: new Uint32Array(0),
    length: 0,
  }));

  add(shard: number, asked: number, session: number, place: number, second: number): void {
    const target = this.#shards[shard] as { keys: Uint32Array; length: number };
    const { length } = target;
    if (length === target.keys.length) {
      const grown = new Uint32Array(Math.max(8 * NUMBERS, 2 * length));
      grown.set(target.keys);
      target.keys = grown;
    }
    const { keys } = target;
    keys[length] = asked;
    keys[length + 1] = session;
    keys[length + 2] = place;
    keys[length + 3] = second;
    target.length = length + NUMBERS;
  }

  of(shard: number): Uint32Array {
    const { keys, length } = this.#shards[shard] as { keys: Uint32Array; length: number };
    return keys.subarray(0, length);
  }

  replace(shard: number, keys: Uint32Array): void {
    this.#shards[shard] = { keys, length: keys.length };
  }
}
