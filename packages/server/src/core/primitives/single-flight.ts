/** Whether somebody still waits for an answer. */
export type IsWanted = () => boolean;

/** What is being found out, by what was asked: whoever asks for the same in the meantime is given the same answer. */
export class SingleFlight<Answer> {
  readonly #byKey = new Map<string, Flight<Answer>>();

  /**
   * @param isWanted false once whoever asks has gone
   * @param compute told by its argument whether any of those who share the answer is still there; when it finds that there is none, what
   * it rejects with reaches nobody, and whoever asks from then on is given an answer of their own
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
