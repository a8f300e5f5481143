import type { Clock, Log, Position } from '../core/ports.ts';

/** The first pass waits, because clients reconnect to a hub that has just started. */
const FIRST_PASS_AFTER_MS = 60_000;
/**
 * From the start of one pass to the start of the next. After a longer pass the next one follows.
 */
const PASS_EVERY_MS = 24 * 3_600_000;
/** The shortest pause between two steps, so that reads can run. */
const STEP_PAUSE_MIN_MS = 10;
const PASS_PAUSE_MIN_MS = 60_000;

export interface ScrubParts {
  readonly log: Pick<Log, 'check' | 'state'>;
  readonly clock: Clock;
  readonly scrubBytesPerSecond: number;
  /** Receives the error that ended a pass early. The next pass starts as usual. */
  readonly onError: (error: unknown) => void;
  readonly firstPassAfterMs?: number;
}

/**
 * Scrubs the log: reads all of it slowly once a day and compares it with its checksums. So damage
 * appears in the log lines, the metrics and `/healthz` before a reader reaches it. At that time a
 * backup without the damage may still exist. The log records the damage that it finds.
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
    const { log, scrubBytesPerSecond, firstPassAfterMs = FIRST_PASS_AFTER_MS } = this.#parts;
    if (log.check !== undefined && scrubBytesPerSecond > 0)
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
    const { log, scrubBytesPerSecond, onError: failed } = this.#parts;
    const { head } = log.state;
    try {
      const { reached = head, bytes = 0 } = (await log.check?.(after)) ?? {};
      // While the disk is full, the newest events of a cluster are in memory only.
      if (after < reached && reached < head) {
        const pauseMs = Math.max(STEP_PAUSE_MIN_MS, (bytes * 1000) / scrubBytesPerSecond);
        return this.#schedule(() => this.#step(reached, startedMs), pauseMs);
      }
    } catch (error) {
      if (!this.#closed) failed(error);
    }
    const untilNextMs = startedMs + PASS_EVERY_MS - this.#nowMs;
    this.#schedule(() => this.#step(0, this.#nowMs), Math.max(PASS_PAUSE_MIN_MS, untilNextMs));
  }
}
