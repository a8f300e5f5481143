import type { StreamInfo } from '@nats-io/jetstream';
import type { BrokerDetails } from '../../../core/cluster-state.ts';

/** The interval of the check, and the deadline of a request to a broker's monitoring port. */
const CHECK_INTERVAL_MS = 10_000;
const REQUEST_TIMEOUT_MS = 3_000;

interface DurabilityCheckOptions {
  readonly replicas: number;
  /** The URLs of the brokers' monitoring ports: `http://10.0.0.1:8222`. */
  readonly monitoring: readonly string[];
  readonly logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
}

/**
 * Checks that a confirmed block survives a power cut of all brokers. The stream must have the
 * replicas of the configuration, and each broker that holds one must sync before it answers
 * (`sync_interval: always`). The monitoring port of a broker shows the second. What cannot be shown
 * counts as unsafe.
 */
export class DurabilityCheck {
  readonly #options: DurabilityCheckOptions;
  /**
   * What each broker said last. A broker that is down stores nothing, and says it anew when it is
   * back, so its silence alone makes no hub leave the balancer.
   */
  readonly #brokers = new Map<string, BrokerDetails>();
  #timer: NodeJS.Timeout | undefined;
  #unsafeReason: string | undefined = 'the brokers have not been checked yet';

  constructor(options: DurabilityCheckOptions) {
    this.#options = options;
  }

  get unsafeReason(): string | undefined {
    return this.#unsafeReason;
  }

  start(readStream: () => Promise<StreamInfo>, info: StreamInfo): void {
    void this.#check(async () => info);
    this.#timer = setInterval(() => void this.#check(readStream), CHECK_INTERVAL_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #check(readStream: () => Promise<StreamInfo>): Promise<void> {
    let reason: string | undefined;
    try {
      const [info, brokers] = [await readStream(), await readBrokers(this.#options.monitoring)];
      for (const [name, state] of brokers) this.#brokers.set(name, state);
      reason = unsafeReasonOf(info, this.#brokers, this.#options);
    } catch {
      // Without an answer the last result holds: an election is no reason to leave the balancer.
      return;
    }
    if (reason === this.#unsafeReason) return;
    this.#unsafeReason = reason;
    if (reason === undefined) this.#options.logger.info({}, 'cluster: the brokers confirm blocks durably');
    else this.#options.logger.warn({ why: reason }, 'cluster: not ready, confirmed blocks may be lost');
  }
}

/** The brokers that answer, by name. */
export async function readBrokers(monitoring: readonly string[]): Promise<ReadonlyMap<string, BrokerDetails>> {
  const found = await Promise.all(monitoring.map((url) => readBroker(url).catch(() => undefined)));
  return new Map(found.filter((broker) => broker !== undefined));
}

/** What the broker of a monitoring port says of itself. @throws when it does not answer in time */
export async function readBroker(url: string): Promise<[name: string, details: BrokerDetails]> {
  const response = await fetch(new URL('varz', url.endsWith('/') ? url : `${url}/`), {
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    redirect: 'error',
  });
  const { server_name: name, version, jetstream } = (await response.json()) as Varz;
  const { config, stats } = jetstream ?? {};
  const details = {
    version,
    syncAlways: config?.sync_always === true,
    syncIntervalMs: (config?.sync_interval ?? 0) / 1e6,
    storageBytes: stats?.storage ?? 0,
    storageBytesMax: config?.max_storage ?? 0,
  };
  return [name, details];
}

/** The part of `/varz` that is read. */
interface Varz {
  readonly server_name: string;
  readonly version: string;
  readonly jetstream?: {
    readonly config?: {
      readonly sync_always?: boolean;
      /** Nanoseconds. */
      readonly sync_interval?: number;
      readonly max_storage?: number;
    };
    readonly stats?: { readonly storage?: number };
  };
}

/**
 * Why blocks may be lost although they were confirmed.
 * Without a stream: in the one that a hub would create.
 */
export function unsafeReasonOf(
  info: StreamInfo | undefined,
  brokers: ReadonlyMap<string, BrokerDetails>,
  { replicas, monitoring }: Pick<DurabilityCheckOptions, 'replicas' | 'monitoring'>,
): string | undefined {
  if (info !== undefined && info.config.num_replicas !== replicas)
    return `the stream ${info.config.name} has ${info.config.num_replicas} replicas, and cluster.replicas is ${replicas}`;
  if (monitoring.length === 0) return 'cluster.monitoring is empty, so `sync_interval: always` cannot be shown';
  // A broker that is not part of a NATS cluster has no peers, and may have no name in the stream.
  const peers = [info?.cluster?.leader, ...(info?.cluster?.replicas ?? []).map(({ name }) => name)].filter(
    (name) => name !== undefined && name !== '',
  );
  const holders = peers.length > 0 ? peers : [...brokers.keys()];
  if (holders.length < replicas) return `${holders.length} of ${replicas} brokers with a replica are known`;
  const silent = holders.filter((name) => !brokers.has(name as string));
  if (silent.length > 0) return `no URL of cluster.monitoring shows the brokers ${silent.join(', ')}`;
  const lax = holders.filter((name) => brokers.get(name as string)?.syncAlways === false);
  return lax.length === 0 ? undefined : `the brokers ${lax.join(', ')} do not have \`sync_interval: always\``;
}
