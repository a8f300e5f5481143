import { selfSigned } from '../kit/certificates.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess, type HubSettings } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { rawConnection } from '../kit/wire/raw-socket.ts';
import { Seeded } from '../kit/seeded.ts';
import { until } from '../kit/wait.ts';
import { runHttp2, runPipeline, runWebSocket, type FuzzClient } from './clients.ts';
import { rarePoll } from './requests.ts';

/** The number of clients of each kind. */
export interface Counts {
  pipelines: number;
  http2: number;
  webSockets: number;
}

/** One round of one seed, small enough to be repeated in a second. */
export const ROUND: Readonly<Counts> = { pipelines: 100, http2: 10, webSockets: 10 };
const CONCURRENT_MAX = 20;

/**
 * Two hubs in processes of their own, one of them with TLS, and the rounds that they have handled.
 */
export class FuzzHubs {
  readonly ran: Counts = { pipelines: 0, http2: 0, webSockets: 0 };
  bytesSent = 0;
  readonly #hubs: readonly HubProcess[];
  readonly #heaps: readonly Heap[];

  private constructor(hubs: readonly HubProcess[], heaps: readonly Heap[]) {
    this.#hubs = hubs;
    this.#heaps = heaps;
  }

  static async open(): Promise<FuzzHubs> {
    const hubs = await Promise.all([start({}), start({ tls: selfSigned() })]);
    return new FuzzHubs(hubs, await Promise.all(hubs.map((hub) => Heap.of(hub))));
  }

  async close(): Promise<void> {
    for (const heap of this.#heaps) heap.close();
    await Promise.all(this.#hubs.map((hub) => hub.end('SIGKILL')));
  }

  /**
   * Sends all requests of a seed.
   * @throws Error that names the seed: a hub has ended, does not answer, or has logged an error
   */
  async round(seed: number): Promise<void> {
    const [plain, tls] = this.#hubs as [HubProcess, HubProcess];
    const run = async (client: FuzzClient, kind: keyof Counts): Promise<void> => {
      await runConcurrently(ROUND[kind], seed, kind, async (seeded) => {
        const hub = kind === 'http2' || seeded.below(4) === 0 ? tls : plain;
        // A connection may be refused or fail at any time. Only the hub's health is checked.
        const bytes = await client(hub.url, seeded).catch(() => 0);
        this.bytesSent += bytes;
        this.ran[kind]++;
      });
    };
    await Promise.all([run(runPipeline, 'pipelines'), run(runHttp2, 'http2'), run(runWebSocket, 'webSockets')]);
    for (const hub of this.#hubs) await expectHealthy(hub, seed);
  }

  /** Fills the hub's bounded caches of requests, so that their growth is not counted. */
  async fill(): Promise<void> {
    await Promise.all(this.#hubs.map((hub) => fill(hub)));
  }

  /** The bytes of both hubs' live objects. */
  async liveBytes(): Promise<number> {
    const each = await Promise.all(this.#heaps.map((heap) => heap.liveBytes()));
    return each.reduce((sum, bytes) => sum + bytes, 0);
  }
}

/** A hub with default settings and little data, so that the data does not grow. */
export function start(config: NonNullable<HubSettings['config']>): Promise<HubProcess> {
  const small = {
    defaults: { historyCountMax: 50 },
    sessions: { journalEntriesMax: 500 },
    logging: { level: 'warn' },
  };
  return startHubProcess({ config: { ...small, ...config }, environment: WITH_INSPECTOR });
}

/**
 * One in four becomes an idle interest, of which a hub keeps 4,096; half of them fill its 8 MiB of
 * cached queries.
 */
const REMEMBERED_POLLS = 20_000;

async function fill(hub: HubProcess): Promise<void> {
  const seeded = new Seeded(1);
  for (let count = 0; count < REMEMBERED_POLLS; count += CONCURRENT_MAX) {
    const raw = await rawConnection(hub.url);
    raw.send(Array.from({ length: CONCURRENT_MAX }, () => rarePoll(seeded)).join(''));
    await until('all are answered', () => raw.text.split('HTTP/1.1 ').length > CONCURRENT_MAX);
    raw.destroy();
  }
}

async function runConcurrently(
  count: number,
  seed: number,
  kind: string,
  client: (seeded: Seeded) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    // Each client has its own random numbers, so that its requests do not depend on the speed of
    // others.
    while (next < count) await client(new Seeded(seedOf(seed, kind, next++)));
  };
  await Promise.all(Array.from({ length: CONCURRENT_MAX }, worker));
}

function seedOf(seed: number, kind: string, index: number): number {
  return Math.imul(seed + index * 7919, 0x9e3779b1) ^ kind.length;
}

async function expectHealthy(hub: HubProcess, seed: number): Promise<void> {
  const answer = await call(`${hub.url}/healthz`).catch((error: unknown) => ({ status: String(error) }));
  const errors = hub
    .log()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'));
  if (answer.status === 200 && errors.length === 0 && hub.child.exitCode === null) return;
  throw new Error(
    `Seed ${seed}: health ${answer.status}, exit ${hub.child.exitCode}, ${errors.slice(0, 3).join('\n')}`,
  );
}
