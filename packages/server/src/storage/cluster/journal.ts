import type { Block, BlockAddress, NewBlock } from '../view/block.ts';
import { commandBytes } from '../view/view-state.ts';

/**
 * A journal is the one ordered, durable sequence of blocks that all hubs of a cluster share. A
 * block is a command: a group of events to append, an order to trim, a new epoch. Elsewhere: the
 * log of a Raft group. Example: block 7 has the events that hub A collected in one turn, and block
 * 8 those of hub B. Every hub applies 7 before 8, so all hubs give the events the same positions.
 */
export interface Journal {
  /** Bytes of data that one block may have. */
  readonly blockBytesMax: number;
  /**
   * Appends a block, and resolves with its sequence when it is durable. It repeats an attempt
   * without an answer under the same id, so the journal has the block once.
   * @param expectedLast the block is appended only after this sequence
   * @throws JournalError
   */
  append(block: NewBlock, expectedLast?: number): Promise<number>;
  /**
   * The sequence of the newest block, as one broker says. 0: it has none. A broker that is cut off from
   * the others may say an old one for as long as it is. Only the answer to an append shows what a
   * majority has. The same holds for `extent` and `idAt`.
   * @throws JournalError
   */
  last(): Promise<number>;
  /** The blocks that the journal has. Without any, `first` is `last + 1`. @throws JournalError */
  extent(): Promise<JournalExtent>;
  /** Removes the blocks before a sequence. Those from it on stay. @throws JournalError */
  trim(before: number): Promise<void>;
  /** The newest sequence that this connection has heard of. 0 before it has heard of any. */
  readonly newest: number;
  /** The id of the block with this sequence. `undefined`: there is no such block, or it was trimmed. @throws JournalError */
  idAt(sequence: number): Promise<string | undefined>;
  /**
   * Passes every block after `from` to the follower, in order and without a hole. It goes on by
   * itself after any failure of the connection. There is one follower.
   */
  follow(from: BlockAddress, follower: JournalFollower): void;
  /**
   * Milliseconds since the journal was last heard, by `performance.now()`: a new block, or the answer
   * to an append. A broker that is cut off from the others has neither. 0 before `follow`.
   */
  readonly silentMs: number;
  /** Why blocks may be lost although they were confirmed. `undefined`: the journal has shown that they are safe. */
  readonly unsafeReason: string | undefined;
  close(): Promise<void>;
}

/** The blocks of a journal: the sequences of the first and last one, and the bytes of all. */
export interface JournalExtent {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

export interface JournalFollower {
  onBlock(block: Block): void;
  /** Appends a block that changes no view. @returns its sequence @throws JournalError */
  appendMark(): Promise<number>;
  /**
   * While it has a promise, the follower has blocks enough: no more should come until it resolves. A
   * few may come all the same.
   */
  readonly whenReady: Promise<void> | undefined;
  /**
   * The journal has another block, or none, where the follower has been: it was rolled back, wiped
   * or restored. No block follows this call.
   */
  onRolledBack(): void;
  /** The journal was trimmed beyond the follower: blocks are missing. No block follows this call. */
  onTrimmedBeyond(): void;
}

/** Where a follower is: the next block is there, or the journal was rolled back or trimmed. */
export type FollowerPlace = 'followable' | 'rolled-back' | 'trimmed-beyond';

/** Attempts to find a broker that has what a majority has. */
const STALE_ANSWERS_MAX = 50;
const STALE_WAIT_MS = 100;

/**
 * Compares the block of a follower with the journal. A broker that is cut off from the others has not
 * heard of the newest blocks. So a block counts as lost only if the journal has another one in its
 * place, or if a majority appends a mark there.
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

/** A full journal takes no mark, and answers all the same. Then the first answer counts. */
async function markUnlessFull(appendMark: () => Promise<number>): Promise<number> {
  try {
    return await appendMark();
  } catch (error) {
    if (error instanceof JournalError && error.code === 'full') return 0;
    throw error;
  }
}

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

export type JournalErrorCode =
  /** The journal has no room. The block was not appended. */
  | 'full'
  /** `expectedLast` did not hold. The block was not appended. */
  | 'conflict'
  /** The journal did not answer in time. The block may be appended or not. */
  | 'unknown'
  /** The journal is closed. */
  | 'closed';

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
