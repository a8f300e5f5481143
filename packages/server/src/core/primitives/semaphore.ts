import { Queue } from './queue.ts';

/** Lets so many reads of the log go on at once; whoever has waited is given the place of one that is done. */
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
