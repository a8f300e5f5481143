import { performance } from 'node:perf_hooks';
import { setTimeout as rest } from 'node:timers/promises';
import { READ_RETRY_MS } from './lane-reads.ts';
import type { Line } from './line.ts';

/** After a page it rests for so many times as long as the page took: whoever waits for events goes first. */
const REST_FACTOR = 4;

/**
 * Counts what is ahead of subscriptions where memory alone cannot tell, as after a restart: one page of the log at a time for all of them,
 * in turn. Only those are counted that somebody has asked about.
 */
export class LagCounter {
  readonly #asked = new Set<Line>();
  readonly #moved: (line: Line) => void;
  #isRunning = false;
  #isClosed = false;

  /** @param moved told of a line that has been moved over what it does not match */
  constructor(moved: (line: Line) => void) {
    this.#moved = moved;
  }

  ask(line: Line): void {
    if (this.#isClosed) return;
    this.#asked.add(line);
    if (!this.#isRunning) void this.#run();
  }

  forget(line: Line): void {
    this.#asked.delete(line);
  }

  close(): void {
    this.#isClosed = true;
    this.#asked.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Whoever asks is answered first.
    await rest(0);
    for (let [line] = this.#asked; line !== undefined; [line] = this.#asked) {
      this.#asked.delete(line);
      const startedMs = performance.now();
      const position = line.position;
      const isRead = await line.countAhead().then(
        () => true,
        () => false,
      );
      if (this.#isClosed) break;
      if (line.position > position) this.#moved(line);
      if (line.needsCounting) this.#asked.add(line);
      await rest(isRead ? REST_FACTOR * (performance.now() - startedMs) : READ_RETRY_MS, undefined, { ref: false });
    }
    this.#isRunning = false;
  }
}
