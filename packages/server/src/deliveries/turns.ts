import { Queue } from '../core/queue.ts';
import type { Line } from './line.ts';

/** Requests begun in one turn of the event loop, so that those who are live have theirs, and what has been connected is written. */
const SENDS_PER_TURN = 32;
/** Lines looked at in one. */
const LINES_PER_TURN = 256;
/** Requests that one line begins before it is another's turn. */
const QUANTUM = 16;
/** Requests to endpoints of which nothing good is known yet, or any more, as a part of all. */
const DOUBTFUL_PART = 0.75;
/** While others wait as well, one turn in so many is for one of those. */
const DOUBTFUL_TURN = 4;

/** Who begins requests: at most so many for a line; says how many there were. */
type Serve = (line: Line, quantum: number) => number;

/**
 * Whose turn it is, within the bound on requests under way. Those that are known to go well have room kept for them, and most of the
 * turns; of those that one event wakes, who has been there for longest comes first, so that nobody gets ahead of others by making many
 * subscriptions.
 */
export class Turns {
  readonly #requestsMax: number;
  readonly #doubtfulMax: number;
  readonly #serve: Serve;
  /** Woken since the last turn, the newest first. */
  #woken: Line[] = [];
  readonly #proven = new Queue<Line>();
  readonly #doubtful = new Queue<Line>();
  readonly #settled: (() => void)[] = [];
  #inFlight = 0;
  #doubtfulInFlight = 0;
  #isScheduled = false;
  #isClosed = false;
  #picks = 0;

  constructor(requestsMax: number, serve: Serve) {
    this.#requestsMax = requestsMax;
    this.#doubtfulMax = Math.max(1, Math.floor(requestsMax * DOUBTFUL_PART));
    this.#serve = serve;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Puts it on the list; what is to be done for it is found out when its turn comes. */
  ready(line: Line): void {
    if (!this.#list(line)) return;
    this.#queueOf(line).push(line);
    this.#schedule();
  }

  /** As `ready`, for one of those that an event wakes, who are woken from the newest to the oldest. */
  woken(line: Line): void {
    if (!this.#list(line)) return;
    this.#woken.push(line);
    this.#schedule();
  }

  /** A request was begun; `isDoubtful` as it is then, and as it has to be said when it has landed. */
  begun(isDoubtful: boolean): void {
    this.#inFlight++;
    if (isDoubtful) this.#doubtfulInFlight++;
  }

  landed(isDoubtful: boolean): void {
    this.#inFlight--;
    if (isDoubtful) this.#doubtfulInFlight--;
  }

  /** What has landed has been dealt with: others may have its room. */
  goOn(): void {
    if (this.#hasListed) this.#schedule();
    if (this.#inFlight === 0) for (const settled of this.#settled.splice(0)) settled();
  }

  /** Begins nothing more; resolves when nothing is under way, or when the time is over. */
  async close(timeMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** False where it stands on the right list already. */
  #list(line: Line): boolean {
    const isProven = line.root.pace?.isProven === true;
    // What was listed before anything good was known of it need not wait with those any longer.
    if (this.#isClosed || (line.isListed && (line.isListedFirst || !isProven))) return false;
    line.isListed = true;
    line.isListedFirst = isProven;
    return true;
  }

  #queueOf({ isListedFirst }: Line): Queue<Line> {
    return isListedFirst ? this.#proven : this.#doubtful;
  }

  #lineUp(): void {
    const woken = this.#woken;
    if (woken.length === 0) return;
    this.#woken = [];
    for (let line = woken.pop(); line !== undefined; line = woken.pop()) this.#queueOf(line).push(line);
  }

  get #hasListed(): boolean {
    return this.#woken.length > 0 || this.#proven.length > 0 || this.#doubtful.length > 0;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#lineUp();
    let left = SENDS_PER_TURN;
    for (let looked = 0; left > 0 && looked < LINES_PER_TURN; looked++) {
      const line = this.#pick();
      if (line === undefined) return;
      // It stood on both lists, and has had its turn.
      if (!line.isListed) continue;
      line.isListed = false;
      left -= this.#serve(line, Math.min(left, QUANTUM, this.#requestsMax - this.#inFlight));
    }
    if (!this.#isClosed && this.#hasListed) this.#schedule();
  };

  /** The next line that may begin something; most turns are for those that are known to go well. */
  #pick(): Line | undefined {
    if (this.#isClosed || this.#inFlight >= this.#requestsMax) return undefined;
    const mayDoubt = this.#doubtful.length > 0 && this.#doubtfulInFlight < this.#doubtfulMax;
    if (mayDoubt && (this.#proven.length === 0 || ++this.#picks % DOUBTFUL_TURN === 0)) return this.#doubtful.shift();
    return this.#proven.shift();
  }
}
