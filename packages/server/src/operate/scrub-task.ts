import type { Clock, Log, Position } from '../core/ports.ts';

/** A hub that has just begun has readers that come back: nothing is read beside them yet. */
const FIRST_PASS_AFTER_MS = 60_000;
/** From the beginning of one pass to that of the next; a pass that takes longer is followed by the next one. */
const PASS_EVERY_MS = 24 * 3_600_000;
/** Between two steps at least, so that reads come in between. */
const STEP_PAUSE_MIN_MS = 10;
const PASS_PAUSE_MIN_MS = 60_000;

export interface ScrubParts {
  readonly log: Pick<Log, 'check' | 'state'>;
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  /** Told why a pass ended early: the next one comes all the same. */
  readonly onError: (error: unknown) => void;
  readonly firstPassAfterMs?: number;
}

/**
 * Scrubs the log: reads all of it once a day, slowly, and compares it with its checksums. So damage is a log line, a metric and a problem of
 * `/healthz` before a reader comes to it, while there still is a backup without it. The log notes what it finds.
 */
export class ScrubTask {
  readonly #parts: ScrubParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: ScrubParts) {
    this.#parts = parts;
  }

  start(): void {
    const { log, bytesPerSecond, firstPassAfterMs = FIRST_PASS_AFTER_MS } = this.#parts;
    if (log.check !== undefined && bytesPerSecond > 0)
      this.#schedule(() => this.#step(0, this.#nowMs), firstPassAfterMs);
  }

  /** Stops after the step in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  #schedule(run: () => Promise<void>, afterMs: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#running = run();
    }, afterMs);
    this.#timer.unref();
  }

  async #step(after: Position, startedMs: number): Promise<void> {
    const { log, bytesPerSecond, onError: failed } = this.#parts;
    const { head } = log.state;
    try {
      const { reached = head, bytes = 0 } = (await log.check?.(after)) ?? {};
      if (reached < head) {
        const pauseMs = Math.max(STEP_PAUSE_MIN_MS, (bytes * 1000) / bytesPerSecond);
        return this.#schedule(() => this.#step(reached, startedMs), pauseMs);
      }
    } catch (error) {
      if (!this.#closed) failed(error);
    }
    const untilNextMs = startedMs + PASS_EVERY_MS - this.#nowMs;
    this.#schedule(() => this.#step(0, this.#nowMs), Math.max(PASS_PAUSE_MIN_MS, untilNextMs));
  }
}
