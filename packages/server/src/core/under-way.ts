/** What is being found out, by what was asked: whoever asks for the same in the meantime is given the same answer. */
export class UnderWay<Answer> {
  readonly #byKey = new Map<string, Promise<Answer>>();

  get(key: string): Promise<Answer> | undefined {
    return this.#byKey.get(key);
  }

  begin(key: string, finding: Promise<Answer>): Promise<Answer> {
    const shared = finding.finally(() => this.#byKey.delete(key));
    this.#byKey.set(key, shared);
    return shared;
  }
}
