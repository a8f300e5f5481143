/** Whether a caller still waits for the answer. */
export type IsWanted = () => boolean;

/** For a caller that never goes. */
export const alwaysWanted: IsWanted = () => true;

/**
 * Shares one computation among concurrent calls with the same key. Example: 500 readers ask for the
 * same page of the log, and the log is read once.
 */
export class SingleFlight<Answer> {
  readonly #byKey = new Map<string, Flight<Answer>>();

  /**
   * @param isWanted returns false once the caller has gone
   * @param compute its argument returns whether any caller still waits. Once it has returned false,
   * a rejection reaches no caller, and the next call starts a new computation
   */
  share(key: string, isWanted: IsWanted, compute: (isWanted: IsWanted) => Promise<Answer>): Promise<Answer> {
    const existing = this.#byKey.get(key);
    if (existing !== undefined) {
      existing.waiters.push(isWanted);
      return existing.answer;
    }
    const waiters = [isWanted];
    const forget = (): void => {
      if (this.#byKey.get(key)?.waiters === waiters) this.#byKey.delete(key);
    };
    const isAnyWaiting = (): boolean => {
      if (waiters.some((each) => each())) return true;
      forget();
      return false;
    };
    const answer = compute(isAnyWaiting).finally(forget);
    this.#byKey.set(key, { answer, waiters });
    return answer;
  }
}

interface Flight<Answer> {
  readonly answer: Promise<Answer>;
  readonly waiters: IsWanted[];
}
