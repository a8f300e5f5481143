/** The rate of appends is measured over this number of commits without a delay. */
const COMMITS_MEASURED = 64;
/**
 * A block is this number of commits with a delay. The rate is measured again after BLOCKS blocks.
 * Their number doubles each time that a delay is chosen, up to BLOCKS_MAX.
 */
const COMMITS_PER_BLOCK = 128;
const BLOCKS = 2;
const BLOCKS_MAX = 32;
/**
 * Appends per millisecond between which a delay pays. Below, commits cost little in total. Above,
 * commits fill without a delay.
 */
const RATE_MIN = 0.5;
const RATE_MAX = 8;
/** Appends that a delay is expected to add to the first one. */
const APPENDS_WANTED = 3;
const DELAY_MIN_MS = 1;
const DELAY_MAX_MS = 4;
/** After a pause of this length no commit is delayed before the rate has been measured again. */
const PAUSE_MS = 2 * DELAY_MAX_MS;
/**
 * The share of the measured rate that must remain while commits are delayed. SHARE_MIN applies from
 * COMMITS_EVALUATED commits of a block on. From COMMITS_EVALUATED_FIRST on SHARE_MIN_FIRST applies:
 * less is allowed, since chance plays a part.
 */
const SHARE_MIN = 0.75;
const SHARE_MIN_FIRST = 0.45;
const COMMITS_EVALUATED_FIRST = 4;
const COMMITS_EVALUATED = 32;
/**
 * Commits without another try after a delay has slowed publishers down. The number doubles each
 * time, up to the maximum.
 */
const BACK_OFF_COMMITS = 64;
const BACK_OFF_COMMITS_MAX = 2_048;

/**
 * Decides whether a commit waits a moment, so that it holds more appends
 * (docs/decisions/0003-group-commit.md). A commit costs much the same for one event as for ten.
 * When small appends follow each other closely, a delay of milliseconds saves most of that cost.
 * But a delay only slows down publishers that await each answer before they continue. So the rate
 * of appends is first measured without a delay. The delay ends when the rate falls short of that.
 *
 * Example: at 1.5 appends per millisecond the delay is 2 ms, in which about 3 more appends arrive.
 *
 * Pure: times are arguments, in milliseconds from any origin.
 */
export class CommitDelay {
  /** 0 while the rate is being measured. */
  #delayMs = 0;
  /** The rate without a delay, in appends per millisecond. */
  #rate = 0;
  /**
   * The start of the current phase, and its commits and appends so far. A phase is a measurement or
   * a block.
   */
  #sinceMs = 0;
  #commits = 0;
  #appends = 0;
  #lastMs = 0;
  #blocks = BLOCKS;
  #blocksLeft = 0;
  #commitsToSkip = 0;
  #backOffCommits = BACK_OFF_COMMITS;
  #waits = 0;
  /** The appends of the last commit, and of the commit before it. */
  #lastAppends = 0;
  #appendsBefore = 0;

  /** The delay of a commit, in milliseconds, once its first append has arrived. 0 for no delay. */
  delayMs(nowMs: number): number {
    if (this.#delayMs > 0 && nowMs - this.#lastMs > PAUSE_MS) this.#beginPhase(nowMs, 0);
    if (this.#delayMs > 0) this.#waits++;
    return this.#delayMs;
  }

  /**
   * Whether a commit waits for one more turn of the event loop. It does while each turn brings
   * more, up to half of the appends of the last two commits. Otherwise a busy loop's first turn
   * makes a commit of three, and the appends that arrive meanwhile make one of sixty. Of two
   * commits of equal size, one fills while the other is being written to the disk.
   * @param appends waiting now
   * @param appendsBefore waiting one turn ago
   */
  isWorthAnotherTurn(appends: number, appendsBefore: number): boolean {
    return appends > appendsBefore && 2 * appends < this.#lastAppends + this.#appendsBefore;
  }

  /** A commit with this number of appends begins. */
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

  /** Whether the last commit had at most one append. */
  get lastWasAlone(): boolean {
    return this.#lastAppends <= 1;
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
