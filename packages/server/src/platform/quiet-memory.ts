import { getHeapSpaceStatistics } from 'node:v8';
import { collectYoung } from './young-garbage.ts';

const CHECK_MS = 1_000;

/** Returns memory to the system whenever this thread is quiet. Its timer keeps nothing alive. */
export function returnQuietMemory(checkMs = CHECK_MS): void {
  const quietTime = new QuietTime();
  const check = (): void => {
    if (!quietTime.needsCollection(youngGeneration())) return;
    collectYoung();
    quietTime.collected(youngGeneration());
  };
  setInterval(check, checkMs).unref();
}

/** A smaller young generation is not worth a collection. */
const LARGE_BYTES = 8 * 1024 * 1024;
/** A check is quiet if no more was allocated since the one before. V8's limit is 1 MB a second. */
const QUIET_BYTES_MAX = 500_000;
/** The quiet checks at which a large young generation is collected. */
const FIRST_COLLECTION = 5;
const LAST_COLLECTION = 8;
/** So many quiet checks after the last of these collections, V8's pool is old enough. */
const POOL_CHECKS = 10;

/** Bytes of the young objects with their garbage, and of the memory that V8 holds for them. */
export interface YoungGeneration {
  readonly used: number;
  readonly size: number;
}

/**
 * Decides when to collect young objects so that V8 returns the memory of a burst. Example: when
 * 15,000 clients connect at once, the young generation grows to 53 MB. V8 would keep all of it,
 * garbage too, for up to 100 s.
 *
 * V8 decides about its size in a collection. It shrinks to 1 MB if less than 1 MB a second was
 * allocated or moved to the old generation since the collection before. So that needs three
 * collections, and a fourth in bad cases. V8 then has the memory in a pool for 8 s, and the first
 * collection after that returns it. Each holds up the event loop for 1 to 20 ms.
 */
export class QuietTime {
  #usedBefore = 0;
  #quietChecks = 0;
  #lastCollection = 0;

  /** To be called at each check. */
  needsCollection({ used, size }: YoungGeneration): boolean {
    // V8 has collected meanwhile if there is less than before.
    const allocated = used < this.#usedBefore ? used : used - this.#usedBefore;
    this.#usedBefore = used;
    if (allocated > QUIET_BYTES_MAX) {
      this.#quietChecks = 0;
      this.#lastCollection = 0;
      return false;
    }
    const checks = ++this.#quietChecks;
    if (this.#lastCollection > 0 && checks === this.#lastCollection + POOL_CHECKS) return true;
    return size >= LARGE_BYTES && checks >= FIRST_COLLECTION && checks <= LAST_COLLECTION;
  }

  /** To be called after each collection that it asked for. */
  collected({ used }: YoungGeneration): void {
    this.#usedBefore = used;
    if (this.#quietChecks <= LAST_COLLECTION) this.#lastCollection = this.#quietChecks;
  }
}

function youngGeneration(): YoungGeneration {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return { used: space?.space_used_size ?? 0, size: space?.space_size ?? 0 };
}
