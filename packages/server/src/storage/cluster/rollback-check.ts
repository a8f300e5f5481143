import type { BlockAddress } from '../view/block.ts';
import { JournalError, type Journal } from './journal.ts';
import { markUnlessFull } from './journal-marks.ts';

/** Where a follower is: the next block is there, or the journal was rolled back or trimmed. */
export type FollowerPlace = 'followable' | 'rolled-back' | 'trimmed-beyond';

/** Attempts to find a broker that has what a majority has. */
const STALE_ANSWERS_MAX = 50;
const STALE_WAIT_MS = 100;

/**
 * Compares the block of a follower with the journal: so a hub notices that brokers were rolled back
 * or restored. A broker that is cut off from the others has not heard of the newest blocks. So a
 * block counts as lost only if the journal has another one in its place, or if a majority appends a
 * mark there.
 * @param appendMark appends a block that changes no view, and returns its sequence
 * @throws JournalError
 */
export async function placeOf(
  { sequence, id }: BlockAddress,
  journal: Pick<Journal, 'idAt' | 'extent'>,
  appendMark: () => Promise<number>,
): Promise<FollowerPlace> {
  if (sequence === 0) return (await journal.extent()).first <= 1 ? 'followable' : 'trimmed-beyond';
  let newest = 0;
  for (let count = 0; count < STALE_ANSWERS_MAX; count++) {
    if (count > 1) await new Promise((resolve) => setTimeout(resolve, STALE_WAIT_MS));
    const idThere = await journal.idAt(sequence);
    if (idThere !== undefined) return idThere === id ? 'followable' : 'rolled-back';
    // The block may have been trimmed since the first question, so the second one decides.
    if (sequence < (await journal.extent()).first) return 'trimmed-beyond';
    if (newest > 0) continue;
    newest = await markUnlessFull(appendMark);
    if (newest <= sequence) return 'rolled-back';
  }
  throw new JournalError('unknown', 'the broker does not have the newest blocks');
}
