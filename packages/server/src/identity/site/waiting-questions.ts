import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { FairQueue } from '../../core/primitives/fair-queue.ts';

/** What a line of questions may hold. */
export interface WaitingBounds {
  readonly queueMax: number;
  readonly queueBytesMax: number;
}

interface Question {
  /** Who asks. */
  readonly client: string;
  readonly body: string;
}

/** Questions that wait for their turn at the site, by turns among clients, bounded in number and in bytes. */
export class WaitingQuestions<Item extends Question> implements MemoryUsage {
  readonly #bounds: WaitingBounds;
  readonly #queue = new FairQueue<Item>();
  #bytes = 0;
  #refused = 0;

  constructor(bounds: WaitingBounds) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bounds.queueBytesMax;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * Whether there is room for one more. When there is none, the client with the most places gives its newest to a client that will still have fewer.
   * @param left is told of each that has lost its place
   */
  makeRoom({ client, body }: Question, left: (item: Item) => void): boolean {
    const { queueMax, queueBytesMax } = this.#bounds;
    const bytes = bytesOf(body);
    while (this.#queue.size >= queueMax || this.#bytes + bytes > queueBytesMax) {
      this.#refused++;
      const item = this.#queue.popFromLongest(this.#queue.sizeOf(client) + 1);
      if (item === undefined) return false;
      this.#bytes -= bytesOf(item.body);
      left(item);
    }
    return true;
  }

  add(item: Item): void {
    this.#queue.push(item.client, item);
    this.#bytes += bytesOf(item.body);
  }

  take(): Item | undefined {
    const item = this.#queue.shift();
    if (item !== undefined) this.#bytes -= bytesOf(item.body);
    return item;
  }
}

/** A place in two maps, a promise and those who wait for it. */
const ENTRY_BYTES = 1000;

/** Its body, and as much again: the request that it was made of stays as long as somebody waits for the answer. */
function bytesOf(body: string): number {
  return ENTRY_BYTES + 2 * body.length;
}
