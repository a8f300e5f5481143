import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerConfig, type BrokerPorts } from '../../scripts/cluster/broker-config.ts';
import { findNatsServer } from '../../scripts/nats.ts';
import { atExit } from './at-exit.ts';
import type { CertificateFiles } from './certificates.ts';
import { temporaryFolder } from './folders.ts';
import { call } from './http.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { until } from './wait.ts';

/** The program of the brokers; `undefined` where it cannot be installed. */
export const NATS_SERVER: string | undefined = findNatsServer();
if (NATS_SERVER === undefined) console.error('No nats-server: the tests of clusters are skipped.');

/** One broker, a `nats-server` with JetStream. */
export interface Broker {
  readonly name: string;
  readonly url: string;
  readonly monitoring: string;
  /** The folder of its data. */
  readonly data: string;
  readonly child: ChildProcess;
  /** Ends it, and resolves when it has ended. */
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again, on the same ports and the same data, and resolves when it answers. */
  start(): Promise<void>;
  /** Copies its data, or puts the copy back. It must not run. */
  save(): void;
  restore(): void;
  /** Removes its data. It must not run. */
  wipe(): void;
}

export interface Brokers {
  readonly brokers: readonly Broker[];
  readonly urls: readonly string[];
  /** The section `cluster` of a hub's configuration. */
  readonly settings: {
    readonly nats: readonly string[];
    readonly replicas: number;
    readonly monitoring: readonly string[];
  };
  end(): Promise<void>;
}

export interface BrokerOptions {
  readonly count?: 1 | 3;
  readonly syncAlways?: boolean;
  /** The certificate of the brokers. Clients must have it too. */
  readonly tls?: CertificateFiles;
  /** More of their configuration files. */
  readonly configuration?: string;
  /** The room for all streams. */
  readonly fileBytesMax?: string;
  /** The folder of their data. Default: a temporary one. */
  readonly folder?: string;
  /**
   * The network between two brokers: the host and port that the first one takes for those
   * of the other.
   */
  readonly route?: (from: number, to: number, host: string) => Promise<string>;
}

/** Starts brokers, three of them as a cluster. They end with this process. */
export async function startBrokers({
  count = 1,
  syncAlways = true,
  tls,
  configuration = '',
  fileBytesMax = '2GB',
  folder = temporaryFolder('brokers'),
  route: routeTo,
}: BrokerOptions = {}): Promise<Brokers> {
  const ports: BrokerPorts[] = [];
  for (let index = 0; index < count; index++)
    ports.push({ client: await unusedPort(), route: await unusedPort(), http: await unusedPort() });
  const routes = await Promise.all(
    ports.map(async (_ports, from) => {
      const others = ports.map(({ route }, to) => {
        const host = `127.0.0.1:${route}`;
        return to === from ? undefined : (routeTo?.(from, to, host) ?? host);
      });
      return (await Promise.all(others)).filter((host) => host !== undefined);
    }),
  );
  const certificates =
    tls === undefined
      ? ''
      : `tls { cert_file: "${tls.certificateFile}", key_file: "${tls.keyFile}", ca_file: "${tls.certificateFile}", verify: true }`;
  const more = `${certificates}\n${configuration}`;
  const brokers = ports.map((own, index) => {
    const name = `n${index}`;
    const data = join(folder, name);
    const text = brokerConfig({
      name,
      ports: own,
      data,
      fileBytesMax,
      syncAlways,
      more,
      ...(count > 1 && { routes: routes[index] ?? [] }),
      hasOwnNetwork: routeTo !== undefined,
    });
    return new BrokerProcess(name, own, data, text);
  });
  const end = async (): Promise<void> => void (await Promise.all(brokers.map((broker) => broker.end('SIGKILL'))));
  const started = await Promise.allSettled(brokers.map((broker) => broker.start()));
  const failed = started.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await end();
    throw failed.reason;
  }
  const urls = brokers.map(({ url }) => url);
  return {
    brokers,
    urls,
    settings: { nats: urls, replicas: count, monitoring: brokers.map(({ monitoring }) => monitoring) },
    end,
  };
}

/** How long a monitoring port may take. A broker that is paused does not answer. */
const MONITORING_TIMEOUT_MS = 2_000;

/**
 * The broker that leads the journal of a cluster, as the monitoring ports say. It runs.
 * @param cluster its name, `cluster.name` of the configuration
 */
export async function leaderOf(
  { brokers, settings }: Pick<Brokers, 'brokers' | 'settings'>,
  cluster: string = 'polycast',
): Promise<Broker> {
  let leader: Broker | undefined;
  await until('the journal has a leader', async () => {
    for (const url of settings.monitoring) {
      const name = await leaderAt(url, `PC_${cluster}`).catch(() => undefined);
      leader ??= brokers.find((broker) => broker.name === name && isRunning(broker.child));
    }
    return leader !== undefined;
  });
  return leader as Broker;
}

async function leaderAt(monitoring: string, stream: string): Promise<string | undefined> {
  const url = `${monitoring}/jsz?streams=true&config=false`;
  const { account_details: accounts = [] } = (await call(url, { timeoutMs: MONITORING_TIMEOUT_MS })).json<Jsz>();
  const streams = accounts.flatMap(({ stream_detail: details }) => details);
  return streams.find(({ name }) => name === stream)?.cluster?.leader;
}

interface Jsz {
  readonly account_details?: readonly {
    readonly stream_detail: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[];
  }[];
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

class BrokerProcess implements Broker {
  readonly name: string;
  readonly url: string;
  readonly monitoring: string;
  readonly data: string;
  readonly #config: string;
  #child: ChildProcess | undefined;

  constructor(name: string, ports: BrokerPorts, data: string, config: string) {
    this.name = name;
    this.url = `nats://127.0.0.1:${ports.client}`;
    this.monitoring = `http://127.0.0.1:${ports.http}`;
    this.data = data;
    mkdirSync(data, { recursive: true });
    this.#config = `${data}.conf`;
    writeFileSync(this.#config, config);
  }

  get child(): ChildProcess {
    return this.#child as ChildProcess;
  }

  async start(): Promise<void> {
    const child = spawn(NATS_SERVER as string, ['-c', this.#config, '-l', `${this.data}.log`], { stdio: 'ignore' });
    this.#child = child;
    child.on(
      'exit',
      atExit(() => void child.kill('SIGKILL')),
    );
    await until(`the broker ${this.name} answers`, () => {
      if (child.exitCode !== null) throw new Error(`The broker ended: ${readFileSync(`${this.data}.log`, 'utf8')}`);
      return fetch(`${this.monitoring}/healthz?js-server-only=true`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (!isRunning(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  save(): void {
    cpSync(this.data, `${this.data}.saved`, { recursive: true });
  }

  restore(): void {
    this.wipe();
    cpSync(`${this.data}.saved`, this.data, { recursive: true });
  }

  wipe(): void {
    rmSync(this.data, { recursive: true, force: true });
    mkdirSync(this.data);
  }
}
