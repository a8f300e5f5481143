import type { Block, BlockAddress, NewBlock } from '../view/block.ts';

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
   * The sequence of the newest block, as one broker says. 0: it has none. A broker that is cut off
   * from the others may say an old one for as long as it is. Only the answer to an append shows
   * what a majority has. The same holds for `extent` and `idAt`.
   * @throws JournalError
   */
  last(): Promise<number>;
  /** The blocks that the journal has. Without any, `first` is `last + 1`. @throws JournalError */
  extent(): Promise<JournalExtent>;
  /** Removes the blocks before a sequence. Those from it on stay. @throws JournalError */
  trim(before: number): Promise<void>;
  /** The newest sequence that this connection has heard of. 0 before it has heard of any. */
  readonly newest: number;
  /**
   * The id of the block with this sequence. `undefined`: there is no such block, or it was trimmed.
   * @throws JournalError
   */
  idAt(sequence: number): Promise<string | undefined>;
  /**
   * Passes every block after `from` to the follower, in order and without a hole. It goes on by
   * itself after any failure of the connection. There is one follower.
   */
  follow(from: BlockAddress, follower: JournalFollower): void;
  /**
   * Somebody waits for the blocks up to this one. The follower gets those that the journal has, at
   * once.
   */
  deliverNow(sequence: number): void;
  /**
   * Milliseconds since the journal was last heard, by `performance.now()`: a new block, or the
   * answer to an append. A broker that is cut off from the others has neither. 0 before `follow`.
   */
  readonly silentMs: number;
  /**
   * Why blocks may be lost although they were confirmed.
   * `undefined`: the journal has shown that they are safe.
   */
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
  /** Until it returns, `silentMs` is the silence before this block. */
  onBlock(block: Block): void;
  /** Appends a block that changes no view. @returns its sequence @throws JournalError */
  appendMark(): Promise<number>;
  /**
   * While it has a promise, the follower has blocks enough: no more should come until it resolves.
   * A few may come all the same.
   */
  readonly whenReady: Promise<void> | undefined;
  /** Nobody waits for new blocks: they may come some milliseconds later, several together. */
  readonly mayWait: boolean;
  /**
   * The journal has another block, or none, where the follower has been: it was rolled back, wiped
   * or restored. No block follows this call.
   */
  onRolledBack(): void;
  /**
   * The journal was trimmed beyond the follower: blocks are missing. No block follows this call.
   */
  onTrimmedBeyond(): void;
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
  override readonly name: string = 'JournalError';
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * The journal changed while a hub started: it was trimmed or rolled back. The hub can start again.
 */
export class ChangedAtStartError extends JournalError {
  override readonly name = 'ChangedAtStartError';

  constructor(message: string) {
    super('unknown', message);
  }
}
