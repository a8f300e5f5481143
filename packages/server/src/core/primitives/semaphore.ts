import { Queue } from './queue.ts';

/** Limits concurrent tasks. A task that ends gives its place to the one that has waited longest. */
export class Semaphore {
  readonly #concurrentMax: number;
  readonly #waiting = new Queue<() => void>();
  #running = 0;

  constructor(concurrentMax: number) {
    this.#concurrentMax = concurrentMax;
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#concurrentMax) await new Promise<void>((resume) => this.#waiting.push(resume));
    else this.#running++;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
