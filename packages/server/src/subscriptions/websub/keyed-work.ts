/** Work by name: so much at once, of one name one at a time, and of what waits under one name only the newest. */
export class KeyedWork {
  readonly #concurrentMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Map<string, () => Promise<void>>();
  readonly #busy = new Set<string>();
  #isClosed = false;
  #idle: (() => void) | undefined;

  constructor(concurrentMax: number, waitingMax: number) {
    this.#concurrentMax = concurrentMax;
    this.#waitingMax = waitingMax;
  }

  /** Takes it on, or says `false` when too much waits already. @param work never rejects */
  add(name: string, work: () => Promise<void>): boolean {
    if (this.#isClosed || (this.#waiting.size >= this.#waitingMax && !this.#waiting.has(name))) return false;
    this.#waiting.set(name, work);
    this.#begin();
    return true;
  }

  /** Whether what is under way should come to its end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Begins nothing more; resolves when what is under way is done, or has not come to its end within a second. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.clear();
    if (this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const patience = setTimeout(resolve, CLOSE_TIME_MS);
      this.#idle = () => {
        clearTimeout(patience);
        resolve();
      };
    });
  }

  #begin(): void {
    for (const [name, work] of this.#waiting) {
      if (this.#busy.size >= this.#concurrentMax) return;
      if (this.#busy.has(name)) continue;
      this.#waiting.delete(name);
      this.#busy.add(name);
      void work().then(() => this.#done(name));
    }
  }

  #done(name: string): void {
    this.#busy.delete(name);
    this.#begin();
    if (this.#busy.size === 0) this.#idle?.();
  }
}

/** Others' servers are not waited for when the hub goes. */
const CLOSE_TIME_MS = 1000;
