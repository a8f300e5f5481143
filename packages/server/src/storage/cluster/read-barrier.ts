import { PolycastError } from '@polycast/protocol';
import type { Journal } from './journal.ts';

/** The longest wait of a reader for its hub to catch up. */
const WAIT_MAX_MS = 5_000;

interface Waiting {
  readonly sequence: number;
  readonly resolve: () => void;
}

/**
 * The read barrier. A client may bring a cursor from another hub that is a moment ahead of this
 * one. This hub asks the journal for its last block, and waits until its view has applied it. Then
 * its view has every event that any hub had confirmed before the question. Example: hub A answers a
 * publish with position 7. The client reads at hub B after 7, while B is at 5: B waits for 7.
 */
export class ReadBarrier {
  readonly #journal: Journal;
  #applied: number;
  #waiting: Waiting[] = [];
  #current: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(journal: Journal, applied: number) {
    this.#journal = journal;
    this.#applied = applied;
  }

  /**
   * Waits until the view has all that the journal has now. Calls at one time share a question, but
   * none shares one that began before it.
   * @throws PolycastError `log_unavailable` when that is not known in time
   */
  reach(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#current ?? Promise.resolve();
    const run = before
      .catch(() => undefined)
      .then(() => {
        this.#current = this.#next;
        this.#next = undefined;
        return this.#run();
      });
    this.#next = run;
    return run;
  }

  /** Resolves when the view has applied a block. @throws PolycastError `log_unavailable` after the time */
  async whenApplied(sequence: number, waitMs: number): Promise<void> {
    if (this.#applied >= sequence) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { sequence, resolve };
    this.#waiting.push(waiting);
    const timer =
      waitMs === Infinity
        ? undefined
        : setTimeout(() => {
            this.#waiting = this.#waiting.filter((each) => each !== waiting);
            reject(behindError());
          }, waitMs);
    await promise.finally(() => clearTimeout(timer));
  }

  onApplied(sequence: number): void {
    this.#applied = sequence;
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((waiting) => waiting.sequence <= sequence);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting.sequence > sequence);
    for (const { resolve } of due) resolve();
  }

  /** Ends all waits. */
  close(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async #run(): Promise<void> {
    const startMs = performance.now();
    let last: number;
    try {
      last = await this.#journal.last();
    } catch {
      throw behindError();
    }
    await this.whenApplied(last, Math.max(1, WAIT_MAX_MS - (performance.now() - startMs)));
  }
}

function behindError(): PolycastError {
  const detail = 'The cursor may be ahead of this hub, which cannot reach the journal of the cluster at the moment.';
  return new PolycastError('log_unavailable', detail, { retryAfterMs: 1000 });
}
