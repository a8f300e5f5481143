import { selfSigned } from '../kit/certificates.ts';
import { Heap, WITH_INSPECTOR } from '../kit/heap.ts';
import { startHubProcess, type HubProcess, type HubSettings } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { rawConnection } from '../kit/wire/raw-socket.ts';
import { Seeded } from '../kit/seeded.ts';
import { until } from '../kit/wait.ts';
import { runHttp2, runPipeline, runWebSocket, type FuzzClient } from './clients.ts';
import { rarePoll } from './requests.ts';

/** How many clients of each kind. */
export interface Counts {
  pipelines: number;
  http2: number;
  webSockets: number;
}

/** One round's worth: of one seed, and small enough to be played again in a second. */
export const ROUND: Readonly<Counts> = { pipelines: 100, http2: 10, webSockets: 10 };
const CONCURRENT_MAX = 20;

/** Two hubs in processes of their own, one of them with TLS, and what they have been through. */
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
   * Sends all that a seed means.
   * @throws Error that names the seed: a hub has ended, does not answer, or has logged an error
   */
  async round(seed: number): Promise<void> {
    const [plain, tls] = this.#hubs as [HubProcess, HubProcess];
    const run = async (client: FuzzClient, kind: keyof Counts): Promise<void> => {
      await runConcurrently(ROUND[kind], seed, kind, async (seeded) => {
        const hub = kind === 'http2' || seeded.below(4) === 0 ? tls : plain;
        // A connection may be refused or break at any time: only what becomes of the hub counts.
        const bytes = await client(hub.url, seeded).catch(() => 0);
        this.bytesSent += bytes;
        this.ran[kind]++;
      });
    };
    await Promise.all([run(runPipeline, 'pipelines'), run(runHttp2, 'http2'), run(runWebSocket, 'webSockets')]);
    for (const hub of this.#hubs) await expectHealthy(hub, seed);
  }

  /**
   * Fills what hubs remember of what was asked for, so that no growth is counted that ends at a
   * bound.
   */
  async fill(): Promise<void> {
    await Promise.all(this.#hubs.map((hub) => fill(hub)));
  }

  /** What both hubs' live objects take, in bytes. */
  async liveBytes(): Promise<number> {
    const each = await Promise.all(this.#heaps.map((heap) => heap.liveBytes()));
    return each.reduce((sum, bytes) => sum + bytes, 0);
  }
}

/** A hub of defaults whose data is small, so that what grows is none of it. */
export function start(config: NonNullable<HubSettings['config']>): Promise<HubProcess> {
  const small = { defaults: { historyCountMax: 50 }, logging: { level: 'warn' } };
  return startHubProcess({ config: { ...small, ...config }, environment: WITH_INSPECTOR });
}

/**
 * With a quarter of them a hub remembers as many interests as it does without readers, with all of
 * them 8 MiB of queries.
 */
const REMEMBERED_POLLS = 9000;

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
    // Each client has chance of its own: what it sends does not depend on how fast others are.
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
