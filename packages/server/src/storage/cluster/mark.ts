import { commandBytes } from '../view/view-state.ts';
import type { Journal } from './journal.ts';

/**
 * A mark is a block that changes no view. A majority of the brokers has all blocks before a mark that
 * was appended. So a mark shows where the journal ends, and that this hub is not cut off with a
 * minority. Every version applies it: it is the command to replace an epoch that no log has.
 */
export const MARK: Uint8Array = commandBytes({ from: '-', to: '-' });

/** @param incarnation of these marks alone: their numbers begin at 1 */
export function createMarks(journal: Pick<Journal, 'append'>, incarnation: string): () => Promise<number> {
  let number = 0;
  return () => journal.append({ id: `${incarnation}-${++number}`, kind: 'epoch', data: MARK });
}
