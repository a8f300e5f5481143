import { assertInvariant } from '../primitives/invariant.ts';
import type { Position } from '../ports.ts';
import type { Wakeable } from './interest.ts';

/** What is fetched must stay in the cache until its turn. Groups of 8 and of 32 are as fast. */
const GROUP_READERS = 16;
/** A smaller group has too little to wait for. */
const PREFETCHED_READERS_MIN = 4;

/**
 * Wakes all readers, a group at a time. Thousands of readers do not fit in the cache of a core.
 * So a write to each of them begins with waits for memory, one after the other. A group is
 * prefetched: the processor waits for the memory of its readers at the same time
 * (docs/decisions/0075-prefetched-readers.md).
 *
 * It goes from the end: a reader that leaves during the wake-up is replaced by one that was woken
 * already.
 */
export function wakeReaders(readers: readonly Wakeable[], from: Position, timeMs: number): void {
  for (let end = readers.length; end > 0; end -= GROUP_READERS) {
    const start = Math.max(0, end - GROUP_READERS);
    // The last one speaks for its group: thousands of durable consumers have nothing to prefetch.
    if (end - start >= PREFETCHED_READERS_MIN && readers[end - 1]?.prefetch !== undefined)
      prefetch(readers, start, end);
    for (let index = end - 1; index >= start; index--) readers[index]?.wake(from, timeMs);
  }
}

/** The sum is used, so the compiler does not leave the reads out. */
function prefetch(readers: readonly Wakeable[], start: number, end: number): void {
  let sum = 0;
  for (let index = end - 1; index >= start; index--) sum += readers[index]?.prefetch?.() ?? 0;
  assertInvariant(sum >= 0, 'interests: sizes and counts of a connection are not negative');
}
