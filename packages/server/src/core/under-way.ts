/** Whether somebody still waits for an answer. */
export type IsWanted = () => boolean;

/** What is being found out, by what was asked: whoever asks for the same in the meantime is given the same answer. */
export class UnderWay<Answer> {
  readonly #byKey = new Map<string, Shared<Answer>>();

  /**
   * @param isWanted false once whoever asks has gone
   * @param find told by its argument whether any of those who share the answer is still there; when it finds that there is none, what
   * it rejects with reaches nobody, and whoever asks from then on is given an answer of their own
   */
  share(key: string, isWanted: IsWanted, find: (isWanted: IsWanted) => Promise<Answer>): Promise<Answer> {
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.askers.push(isWanted);
      return known.answer;
    }
    const askers = [isWanted];
    const forget = (): void => {
      if (this.#byKey.get(key)?.askers === askers) this.#byKey.delete(key);
    };
    const isAnyLeft = (): boolean => {
      if (askers.some((each) => each())) return true;
      forget();
      return false;
    };
    const answer = find(isAnyLeft).finally(forget);
    this.#byKey.set(key, { answer, askers });
    return answer;
  }
}

interface Shared<Answer> {
  readonly answer: Promise<Answer>;
  readonly askers: IsWanted[];
}
