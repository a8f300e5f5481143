import { Heap } from '../kit/heap.ts';
import type { HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** What a client sends may take so many times its own size of memory, and no more for longer than a minute. */
const TIMES_MAX = 20;
/** What a connection takes that sends nothing: sockets, parsers, buffers of Node's own. */
const CLIENT_BYTES = 64 * 1024;
/** Noise of a process: code that is compiled late, caches that fill once. */
const SLACK_BYTES = 8 * 1024 * 1024;
const MINUTE_MS = 60_000;

/** What clients have sent until now, and how many of them are there. */
export interface Sent {
  readonly clients: number;
  readonly bytes: number;
}

/** Holds the memory of a hub against what its clients have sent. */
export class Accountant {
  readonly #heap: Heap;
  readonly #beforeBytes: number;

  private constructor(heap: Heap, beforeBytes: number) {
    this.#heap = heap;
    this.#beforeBytes = beforeBytes;
  }

  static async of(hub: HubProcess): Promise<Accountant> {
    const heap = await Heap.of(hub);
    return new Accountant(heap, await heap.liveBytes());
  }

  /** @throws Error that says what is held, once it has been too much for a minute */
  async expectWithin(what: string, { clients, bytes }: Sent): Promise<void> {
    const allowed = TIMES_MAX * bytes + CLIENT_BYTES * clients + SLACK_BYTES;
    let grown = 0;
    await until(
      `${what} by ${clients} clients who sent ${bytes} bytes takes no more than ${allowed}`,
      async () => {
        grown = (await this.#heap.liveBytes()) - this.#beforeBytes;
        return grown <= allowed;
      },
      MINUTE_MS,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; it takes ${grown}`);
    });
  }

  close(): void {
    this.#heap.close();
  }
}
