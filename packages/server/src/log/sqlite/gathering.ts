/** Commits that are looked back on. */
const COMMITS_SEEN = 8;
/** Commits further apart than this cost little in sum: their appends are not kept waiting. */
const COMMIT_INTERVAL_MAX_MS = 4;
/** Appends per millisecond from which on a commit gathers enough without waiting. */
const RATE_MAX = 8;
/** Appends that waiting is meant to gather, beyond the first. */
const GAIN_WANTED = 4;
const DELAY_MIN_MS = 1;
const DELAY_MAX_MS = 4;
/** Waiting goes on while it gains at least this share of what the rate promises, on average over some commits… */
const GAIN_SHARE_MIN = 0.6;
const GAIN_SMOOTHING = 0.25;
/** …and after that is not tried for so many commits, twice as many each time it fails again. */
const BACK_OFF_COMMITS = 16;
const BACK_OFF_COMMITS_MAX = 1_024;

/**
 * Whether to wait a moment before a commit, so that it holds more. A commit costs much the same for one event as for
 * ten, so when small ones follow each other closely a wait of milliseconds saves most of their cost
 * (docs/decisions/0003-group-commit.md). It gains nothing when publishers wait for their answers before they go on: what
 * was gathered is therefore held against what was to be expected, and if it falls short nobody is kept waiting.
 *
 * Pure: times are arguments, milliseconds from any origin.
 */
export class Gathering {
  readonly #commits: { readonly atMs: number; readonly appends: number }[] = [];
  #expected: number | undefined;
  #share = 1;
  #skip = 0;
  #backOff = BACK_OFF_COMMITS;
  #waits = 0;

  /** How long to wait for more, now that the first append of a commit is here; 0: not at all. */
  delayMs(nowMs: number): number {
    const rate = this.#rate(nowMs);
    if (rate === undefined || rate > RATE_MAX) return 0;
    if (this.#skip > 0) {
      this.#skip--;
      return 0;
    }
    const delayMs = Math.min(DELAY_MAX_MS, Math.max(DELAY_MIN_MS, GAIN_WANTED / rate));
    this.#expected = rate * delayMs;
    this.#waits++;
    return delayMs;
  }

  /** A commit of so many appends begins. */
  committing(nowMs: number, appends: number): void {
    this.#commits.push({ atMs: nowMs, appends });
    if (this.#commits.length > COMMITS_SEEN) this.#commits.shift();
    if (this.#expected === undefined) return;
    const share = Math.min(1, (appends - 1) / this.#expected);
    this.#expected = undefined;
    this.#share += (share - this.#share) * GAIN_SMOOTHING;
    if (this.#share >= GAIN_SHARE_MIN) {
      if (share >= GAIN_SHARE_MIN) this.#backOff = BACK_OFF_COMMITS;
      return;
    }
    this.#share = 1;
    this.#skip = this.#backOff;
    this.#backOff = Math.min(BACK_OFF_COMMITS_MAX, this.#backOff * 2);
  }

  figures(): Readonly<Record<string, number>> {
    return { gatheringWaits: this.#waits };
  }

  /** Appends per millisecond of late; undefined when commits are few or far between. */
  #rate(nowMs: number): number | undefined {
    const [oldest] = this.#commits;
    if (oldest === undefined || this.#commits.length < COMMITS_SEEN) return undefined;
    const spanMs = Math.max(nowMs - oldest.atMs, 0.001);
    if (spanMs > COMMITS_SEEN * COMMIT_INTERVAL_MAX_MS * 2) return undefined;
    const appends = this.#commits.reduce((sum, commit) => sum + commit.appends, 0);
    const rate = appends / spanMs;
    return rate < 1 / COMMIT_INTERVAL_MAX_MS ? undefined : rate;
  }
}
