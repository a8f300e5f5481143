import { Heap } from '../kit/heap.ts';
import { residentBytes, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * The memory that a client's bytes may take, as a multiple of their number. It may be more for a
 * minute only.
 */
const MEMORY_FACTOR_MAX = 20;
/** The memory of a connection that sends nothing: sockets, parsers, Node's buffers. */
const CLIENT_BYTES = 64 * 1024;
/**
 * The memory of an open HTTP/2 stream that has sent little: its request, its answer, its entry in
 * nghttp2.
 */
const STREAM_BYTES = 12 * 1024;
/** Variation of a process: code that is compiled late, caches that fill once. */
const SLACK_BYTES = 8 * 1024 * 1024;
/**
 * The variation of its resident memory: allocators and the collector keep freed memory for a while.
 */
const RESIDENT_SLACK_BYTES = 32 * 1024 * 1024;
const MINUTE_MS = 60_000;

/** The bytes that clients have sent so far, and the number of open clients. */
export interface SentInAll {
  readonly clients: number;
  /** Open HTTP/2 streams. */
  readonly streams: number;
  readonly bytes: number;
}

/**
 * The memory of a hub: its live objects and buffers, and all resident memory, with that of OpenSSL
 * and nghttp2.
 */
interface Taken {
  readonly live: number;
  readonly resident: number;
}

/** Compares the memory of a hub with the bytes that its clients have sent. */
export class MemoryBudget {
  readonly #hub: HubProcess;
  readonly #heap: Heap;
  readonly #before: Taken;

  private constructor(hub: HubProcess, heap: Heap, before: Taken) {
    this.#hub = hub;
    this.#heap = heap;
    this.#before = before;
  }

  static async of(hub: HubProcess): Promise<MemoryBudget> {
    const heap = await Heap.of(hub);
    return new MemoryBudget(hub, heap, await takenBy(hub, heap));
  }

  /** @throws Error with the measured memory, once it has been too much for a minute */
  async expectWithin(what: string, { clients, streams, bytes }: SentInAll): Promise<void> {
    const earned = MEMORY_FACTOR_MAX * bytes + CLIENT_BYTES * clients + STREAM_BYTES * streams;
    const allowed = { live: earned + SLACK_BYTES, resident: earned + RESIDENT_SLACK_BYTES };
    let grown: Taken = { live: 0, resident: 0 };
    await until(
      `${what} by ${clients} clients who sent ${bytes} bytes takes no more than ${JSON.stringify(allowed)}`,
      async () => {
        const { live, resident } = await takenBy(this.#hub, this.#heap);
        grown = { live: live - this.#before.live, resident: resident - this.#before.resident };
        return grown.live <= allowed.live && grown.resident <= allowed.resident;
      },
      MINUTE_MS,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; it takes ${JSON.stringify(grown)}`);
    });
  }

  close(): void {
    this.#heap.close();
  }
}

async function takenBy(hub: HubProcess, heap: Heap): Promise<Taken> {
  // In this order, because the collector returns pages.
  const live = await heap.liveBytes();
  return { live, resident: residentBytes(hub.pid) };
}
