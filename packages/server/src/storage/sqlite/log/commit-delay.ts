/** The rate of appends is taken over so many commits without waiting… */
const COMMITS_MEASURED = 64;
/** …and after so many blocks with it, twice as many each time that went well, it is taken again. */
const COMMITS_PER_BLOCK = 128;
const BLOCKS = 2;
const BLOCKS_MAX = 32;
/** Appends per millisecond between which waiting is worth it: slower, commits cost little; faster, they fill anyway. */
const RATE_MIN = 0.5;
const RATE_MAX = 8;
/** Appends that waiting is meant to gather, beyond the first. */
const APPENDS_WANTED = 3;
const DELAY_MIN_MS = 1;
const DELAY_MAX_MS = 4;
/** After a pause like this, nobody is kept waiting before the rate has been taken again. */
const PAUSE_MS = 2 * DELAY_MAX_MS;
/** What must be left of the rate while appends are kept waiting: less is allowed at first, since chance plays a part. */
const SHARE_MIN = 0.75;
const SHARE_MIN_FIRST = 0.45;
const COMMITS_EVALUATED_FIRST = 4;
const COMMITS_EVALUATED = 32;
/** When waiting has slowed publishers down it is not tried for so many commits, twice as many each time. */
const BACK_OFF_COMMITS = 64;
const BACK_OFF_COMMITS_MAX = 2_048;

/**
 * Whether to wait a moment before a commit, so that it holds more. A commit costs much the same for one event as for
 * ten, so when small ones follow each other closely a wait of milliseconds saves most of their cost
 * (docs/decisions/0003-group-commit.md). But publishers who wait for their answers before they go on are only slowed
 * down by it: so the rate of appends is taken without waiting first, and waiting ends when the rate falls short of that.
 *
 * Pure: times are arguments, milliseconds from any origin.
 */
export class CommitDelay {
  /** 0 while the rate is being taken. */
  #delayMs = 0;
  /** The rate without waiting, appends per millisecond. */
  #rate = 0;
  /** Since when, how many commits and how many appends the present phase has seen. */
  #sinceMs = 0;
  #commits = 0;
  #appends = 0;
  #lastMs = 0;
  #blocks = BLOCKS;
  #blocksLeft = 0;
  #commitsToSkip = 0;
  #backOffCommits = BACK_OFF_COMMITS;
  #waits = 0;
  /** What the last commit took, and the one before it. */
  #lastAppends = 0;
  #appendsBefore = 0;

  /** How long to wait for more, now that the first append of a commit is here; 0: not at all. */
  delayMs(nowMs: number): number {
    if (this.#delayMs > 0 && nowMs - this.#lastMs > PAUSE_MS) this.#beginPhase(nowMs, 0);
    if (this.#delayMs > 0) this.#waits++;
    return this.#delayMs;
  }

  /**
   * Whether to let the event loop come round once more before a commit: for as long as that brings more, up to half of what the last two
   * commits took. Else what a busy loop brings first makes a commit of three, and all that comes meanwhile one of sixty; of two that
   * are alike one is filled while the other is on the disk.
   * @param appends waiting now
   * @param appendsBefore that waited one turn ago
   */
  isWorthAnotherTurn(appends: number, appendsBefore: number): boolean {
    return appends > appendsBefore && 2 * appends < this.#lastAppends + this.#appendsBefore;
  }

  /** A commit of so many appends begins. */
  onCommit(nowMs: number, appends: number): void {
    this.#appendsBefore = this.#lastAppends;
    this.#lastAppends = appends;
    if (nowMs - this.#lastMs > PAUSE_MS && this.#delayMs === 0) this.#beginPhase(nowMs, 0);
    else this.#appends += appends;
    this.#lastMs = nowMs;
    this.#commits++;
    if (this.#commitsToSkip > 0) this.#commitsToSkip--;
    const rate = this.#appends / Math.max(0.001, nowMs - this.#sinceMs);
    if (this.#delayMs > 0) this.#evaluate(nowMs, rate);
    else if (this.#commits >= COMMITS_MEASURED) this.#chooseDelay(nowMs, rate);
  }

  stats(): Readonly<Record<string, number>> {
    return { gatheringWaits: this.#waits };
  }

  #chooseDelay(nowMs: number, rate: number): void {
    this.#rate = rate;
    const isWorthwhile = rate >= RATE_MIN && rate <= RATE_MAX && this.#commitsToSkip === 0;
    this.#blocksLeft = this.#blocks;
    this.#blocks = isWorthwhile ? Math.min(BLOCKS_MAX, this.#blocks * 2) : BLOCKS;
    this.#beginPhase(nowMs, isWorthwhile ? Math.min(DELAY_MAX_MS, Math.max(DELAY_MIN_MS, APPENDS_WANTED / rate)) : 0);
  }

  #evaluate(nowMs: number, rate: number): void {
    const shareMin =
      this.#commits >= COMMITS_EVALUATED ? SHARE_MIN : this.#commits >= COMMITS_EVALUATED_FIRST ? SHARE_MIN_FIRST : 0;
    if (rate < shareMin * this.#rate) {
      this.#commitsToSkip = this.#backOffCommits;
      this.#backOffCommits = Math.min(BACK_OFF_COMMITS_MAX, this.#backOffCommits * 2);
      this.#beginPhase(nowMs, 0);
      this.#blocks = BLOCKS;
    } else if (this.#commits >= COMMITS_PER_BLOCK) {
      this.#backOffCommits = BACK_OFF_COMMITS;
      this.#blocksLeft--;
      this.#beginPhase(nowMs, this.#blocksLeft > 0 ? this.#delayMs : 0);
    }
  }

  #beginPhase(nowMs: number, delayMs: number): void {
    this.#delayMs = delayMs;
    this.#sinceMs = nowMs;
    this.#commits = 0;
    this.#appends = 0;
  }
}
