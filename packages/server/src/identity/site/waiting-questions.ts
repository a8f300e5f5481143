import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { FairQueue } from '../../core/primitives/fair-queue.ts';

/** The bounds of a queue of questions. */
export interface WaitingBounds {
  readonly queueMax: number;
  readonly queueBytesMax: number;
}

interface Question {
  /** The user or address that asks. */
  readonly client: string;
  readonly body: string;
}

/** A queue of questions to the site, bounded in number and in bytes. Clients take turns. */
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
   * Makes room for one more question, and returns whether there is any. At the bounds, the client
   * with the most questions loses its newest one, if the other client still has fewer.
   * @param left is called for each question that was removed
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

/** Two map entries, a promise and its callers. */
const ENTRY_BYTES = 1000;

/**
 * The size of an entry: its body, and as much for the original request, which lives until the
 * answer.
 */
function bytesOf(body: string): number {
  return ENTRY_BYTES + 2 * body.length;
}
