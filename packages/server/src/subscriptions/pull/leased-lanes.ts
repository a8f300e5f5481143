import { forEachOf, withOne, withoutOne, type OneOrSeveral } from '../../core/primitives/one-or-several.ts';
import type { Lane } from '../state/lanes/lane.ts';

/** Characters at the start of a lease id from which its key is made. */
const KEY_LENGTH = 5;

/**
 * The leased lanes of one pull subscription, by the ids of their leases.
 *
 * V8 hashes each new text that a map is asked for, which takes up to 1 µs. An event would pay that
 * at its lease, and again at its acknowledgement. A lease id is random, so a number from its first
 * characters is as good a key. Lanes with the same key share an entry.
 */
export class LeasedLanes {
  readonly #byKey = new Map<number, OneOrSeveral<Lane>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The lane has this lease, which is not here. */
  add(lease: string, lane: Lane): void {
    const key = keyOf(lease);
    this.#byKey.set(key, withOne(this.#byKey.get(key), lane));
    this.#size++;
  }

  /** The lane of a lease; `undefined` if the lease is not here. */
  find(lease: string): Lane | undefined {
    return laneOf(lease, this.#byKey.get(keyOf(lease)));
  }

  /** Like `find`, and removes the lane. */
  take(lease: string): Lane | undefined {
    const key = keyOf(lease);
    const held = this.#byKey.get(key);
    const lane = laneOf(lease, held);
    if (lane === undefined) return undefined;
    const left = withoutOne(held, lane);
    if (left === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
    this.#size--;
    return lane;
  }

  clear(): void {
    this.#byKey.clear();
    this.#size = 0;
  }

  /** In no particular order. */
  all(): Lane[] {
    const lanes: Lane[] = [];
    for (const held of this.#byKey.values()) forEachOf(held, (lane) => void lanes.push(lane));
    return lanes;
  }
}

function laneOf(lease: string, held: OneOrSeveral<Lane> | undefined): Lane | undefined {
  if (Array.isArray(held)) return held.find((lane) => lane.lease === lease);
  return held?.lease === lease ? held : undefined;
}

/** At most 31 bits, for any text: the characters that it does not have count as 0. */
function keyOf(lease: string): number {
  let key = 0;
  for (let index = 0; index < KEY_LENGTH; index++) key = (key << 6) ^ (lease.charCodeAt(index) & 0x7f);
  return key;
}
