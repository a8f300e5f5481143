import { PolycastError } from '@polycast/protocol';
import type { Journal } from './journal.ts';

/** The longest wait of a reader for its hub to catch up, whatever it shares with others. */
export const WAIT_MAX_MS = 5_000;

interface Waiting {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: PolycastError) => void;
}

interface ReadBarrierParts {
  readonly journal: Pick<Journal, 'last'>;
  /** The sequence that the view has applied. */
  readonly applied: number;
  /** Resolves when the view has applied the mark. */
  readonly appendMark: () => Promise<unknown>;
  /** Applies the blocks up to this one without a pause. */
  readonly applyNow: (sequence: number) => void;
}

/** The shortest interval between two marks: an unknown key or an invented cursor costs one. */
const MARK_INTERVAL_MS = 20;

/**
 * The read barrier. A client may bring a cursor from another hub that is a moment ahead of this
 * one. This hub asks the journal for its last block, and waits until its view has applied it.
 * Example: hub A answers a publish with position 7. The client reads at hub B after 7, while B is
 * at 5: B waits for 7.
 *
 * A broker that is cut off from the others answers with an old block. So a cursor that is still
 * ahead costs a mark. A majority of the brokers has appended it after all blocks that any hub had
 * confirmed before. When the view has applied the mark, the cursor belongs to another history.
 */
export class ReadBarrier {
  readonly #journal: Pick<Journal, 'last'>;
  readonly #appendMark: () => Promise<unknown>;
  readonly #applyNow: (sequence: number) => void;
  readonly #newest = new SharedRuns(() => this.#reachLast());
  readonly #confirmed = new SharedRuns(() => this.#reachMark());
  #applied: number;
  #waiting: Waiting[] = [];
  #isClosed = false;
  #mark: Promise<void> | undefined;
  #markMs = -Infinity;

  constructor({ journal, applied, appendMark, applyNow }: ReadBarrierParts) {
    this.#journal = journal;
    this.#applied = applied;
    this.#appendMark = appendMark;
    this.#applyNow = applyNow;
  }

  /**
   * Waits until the view has every event and change that any hub had confirmed before this call.
   * @throws PolycastError `log_unavailable` when that is not known in time
   */
  reach(): Promise<void> {
    return within(this.#confirmed.run(), WAIT_MAX_MS);
  }

  /** Like `reach`, and ends as soon as the view has what a cursor needs. */
  async reachCursor(isReached: () => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_MAX_MS;
    await within(this.#newest.run(), WAIT_MAX_MS);
    if (!isReached()) await within(this.#confirmed.run(), endMs - performance.now());
  }

  /**
   * Resolves when the view has applied a block.
   * @throws PolycastError `log_unavailable` after the time, or when the barrier is closed
   */
  async whenApplied(sequence: number, waitMs: number): Promise<void> {
    if (this.#applied >= sequence) return;
    if (this.#isClosed) throw behindError();
    this.#applyNow(sequence);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { sequence, resolve, reject };
    this.#waiting.push(waiting);
    try {
      await within(promise, waitMs);
    } finally {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
    }
  }

  onApplied(sequence: number): void {
    this.#applied = sequence;
    if (this.#waiting.length === 0) return;
    for (const waiting of this.#waiting) if (waiting.sequence <= sequence) waiting.resolve();
    this.#waiting = this.#waiting.filter((waiting) => waiting.sequence > sequence);
  }

  /** Nothing more is applied: rejects all waits. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(behindError());
  }

  async #reachLast(): Promise<void> {
    const endMs = performance.now() + WAIT_MAX_MS;
    let last = Infinity;
    const asked = this.#journal.last().then((answered) => void (last = answered));
    try {
      await within(asked, WAIT_MAX_MS);
    } catch {
      throw behindError();
    }
    await this.whenApplied(last, endMs - performance.now());
  }

  /** There is one mark at a time, also while no majority of the brokers answers. */
  async #reachMark(): Promise<void> {
    const endMs = performance.now() + WAIT_MAX_MS;
    // This one may have been appended before the question.
    if (this.#mark !== undefined)
      await within(
        this.#mark.catch(() => undefined),
        WAIT_MAX_MS,
      );
    const waitMs = this.#markMs + MARK_INTERVAL_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.#markMs = performance.now();
    const mark = this.#appendMark().then(() => undefined);
    this.#mark = mark.finally(() => (this.#mark = undefined));
    this.#mark.catch(() => undefined);
    try {
      await within(mark, endMs - performance.now());
    } catch (error) {
      // A full journal takes no mark, and answers all the same.
      if (error instanceof PolycastError && error.code === 'log_full') return this.#reachLast();
      throw behindError();
    }
  }
}

/** Calls at one time share a run, but none shares one that began before it. */
class SharedRuns {
  readonly #run: () => Promise<void>;
  #current: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  run(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#current ?? Promise.resolve();
    const next = before
      .catch(() => undefined)
      .then(() => {
        this.#current = this.#next;
        this.#next = undefined;
        return this.#run();
      });
    this.#next = next;
    return next;
  }
}

/** @throws PolycastError `log_unavailable` after the time */
async function within(promise: Promise<void>, waitMs: number): Promise<void> {
  if (waitMs === Infinity) return promise;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(behindError()), Math.max(1, waitMs));
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function behindError(): PolycastError {
  const detail = 'This hub cannot reach the journal of the cluster at the moment, so its answer could be old.';
  return new PolycastError('log_unavailable', detail, { retryAfterMs: 1000 });
}
