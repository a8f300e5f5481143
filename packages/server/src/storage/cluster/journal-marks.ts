import { commandBytes } from '../view/view-state.ts';
import { JournalError, type Journal } from './journal.ts';

/**
 * A mark is a block that changes no view. A majority of the brokers has all blocks before a mark
 * that was appended. So a mark shows where the journal ends, and that this hub is not cut off with
 * a minority. Every version applies it: it is the command to replace an epoch that no log has.
 */
export const MARK: Uint8Array = commandBytes({ from: '-', to: '-' });

/** @param incarnation of these marks alone: their numbers begin at 1 */
export function createMarks(journal: Pick<Journal, 'append'>, incarnation: string): () => Promise<number> {
  let number = 0;
  return () => journal.append({ id: `${incarnation}-${++number}`, kind: 'epoch', data: MARK });
}

/**
 * Appends a mark, and returns its sequence. 0: the journal is full.
 * It takes no mark, and answers all the same.
 */
export async function markUnlessFull(appendMark: () => Promise<number>): Promise<number> {
  try {
    return await appendMark();
  } catch (error) {
    if (error instanceof JournalError && error.code === 'full') return 0;
    throw error;
  }
}

/** The interval at which a hub looks whether it hears the journal. */
const CHECK_MS = 500;
/** After this time without a block, the hub that trims appends a mark, and later the others. */
const TRIMMER_MARK_MS = 1_000;
const MARK_MS = 2_500;

/**
 * The journal says nothing while nothing is published. Marks show whether it can still be heard.
 */
export class SilenceMarks {
  readonly #journal: Pick<Journal, 'silentMs'>;
  readonly #isTrimmer: () => boolean;
  readonly #mark: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  /** @param mark appends a mark, and resolves when the view has applied it */
  constructor(journal: Pick<Journal, 'silentMs'>, isTrimmer: () => boolean, mark: () => Promise<void>) {
    this.#journal = journal;
    this.#isTrimmer = isTrimmer;
    this.#mark = mark;
  }

  start(): void {
    this.#timer = setInterval(() => this.#markIfSilent(), CHECK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #markIfSilent(): void {
    const silentMaxMs = this.#isTrimmer() ? TRIMMER_MARK_MS : MARK_MS;
    if (this.#journal.silentMs > silentMaxMs) this.#mark().catch(() => undefined);
  }
}
