import { Heap } from '../kit/heap.ts';
import { residentBytes, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * The memory that bytes of a client may take, as a multiple of their number. Only for a minute may
 * it be more.
 */
const MEMORY_FACTOR_MAX = 20;
/** What a connection takes that sends nothing: sockets, parsers, buffers of Node's own. */
const CLIENT_BYTES = 64 * 1024;
/**
 * What a stream of HTTP/2 takes that is open and has sent little: its request, its answer, its
 * place in nghttp2.
 */
const STREAM_BYTES = 12 * 1024;
/** Noise of a process: code that is compiled late, caches that fill once. */
const SLACK_BYTES = 8 * 1024 * 1024;
/**
 * The same of what the system has given it: allocators and the collector keep what was in use a
 * while ago.
 */
const RESIDENT_SLACK_BYTES = 32 * 1024 * 1024;
const MINUTE_MS = 60_000;

/** What clients have sent until now, and how many of them are there. */
export interface SentInAll {
  readonly clients: number;
  /** Of HTTP/2, open. */
  readonly streams: number;
  readonly bytes: number;
}

/**
 * What a hub takes: its live objects and buffers, and all that is resident, OpenSSL's and nghttp2's
 * memory included.
 */
interface Taken {
  readonly live: number;
  readonly resident: number;
}

/** Holds the memory of a hub against what its clients have sent. */
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

  /** @throws Error that says what is held, once it has been too much for a minute */
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
  // In this order: the collector gives back pages.
  const live = await heap.liveBytes();
  return { live, resident: residentBytes(hub.pid) };
}
