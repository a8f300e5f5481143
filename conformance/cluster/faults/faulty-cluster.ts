import { realpathSync } from 'node:fs';
import { canShim, shimDisk, type Disk } from '../../kit/disk-shim.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startBrokers, type Brokers } from '../../kit/brokers.ts';
import { childrenOf, isRunning, startHubProcess, type HubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import type { Seeded } from '../../kit/seeded.ts';
import { BrokerProxy } from './broker-proxy.ts';
import { PRESENCE_CONFIG } from './watched-presence.ts';

/** One hub, its data, and its network to each broker. */
export interface FaultyHub {
  readonly data: string;
  readonly proxies: readonly BrokerProxy[];
  /** Undefined on a system that the shim does not support. */
  readonly disk: Disk | undefined;
  /** Whether it has an earlier version. */
  isOlder: boolean;
  process: HubProcess;
}

/** A version of the hub: its program and the options of Node.js. */
export interface HubVersion {
  readonly command: string;
  readonly nodeOptions: string;
}

/** The network from one broker to another one. */
interface Route {
  readonly from: number;
  readonly to: number;
  readonly proxy: BrokerProxy;
}

/** Three brokers and three hubs, all of them processes, with a proxy between any two that talk. */
export class FaultyCluster {
  readonly brokers: Brokers;
  readonly hubs: FaultyHub[] = [];
  /** All processes of hubs, also those that have ended. */
  readonly processes: HubProcess[] = [];
  readonly #routes: readonly Route[];
  /** Between hubs and brokers. */
  readonly #proxies: BrokerProxy[] = [];
  readonly #older: HubVersion | undefined;
  /** Each hub has so many, which share its port and its data. */
  readonly processesOfHub: number;

  private constructor(
    brokers: Brokers,
    routes: readonly Route[],
    older: HubVersion | undefined,
    processesOfHub: number,
  ) {
    this.brokers = brokers;
    this.#routes = routes;
    this.#older = older;
    this.processesOfHub = processesOfHub;
  }

  /** @param older the version that the hubs have at first; this one if left out */
  static async start(older?: HubVersion, processesOfHub = 1): Promise<FaultyCluster> {
    const routes: Route[] = [];
    const route = async (from: number, to: number, host: string): Promise<string> => {
      const proxy = await BrokerProxy.start(`nats://${host}`);
      routes.push({ from, to, proxy });
      return proxy.host;
    };
    const brokers = await startBrokers({ count: 3, route }).catch((error: unknown) => {
      for (const { proxy } of routes) proxy.close();
      throw error;
    });
    const cluster = new FaultyCluster(brokers, routes, older, processesOfHub);
    try {
      for (let index = 0; index < 3; index++) await cluster.#addHub();
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  get urls(): readonly string[] {
    return this.hubs.map(({ process: { url } }) => url);
  }

  /** The network between a broker and the others, or one other. */
  routesOf(broker: number, other?: number): readonly BrokerProxy[] {
    return this.#routes
      .filter(({ from, to }) => [from, to].includes(broker) && (other === undefined || [from, to].includes(other)))
      .map(({ proxy }) => proxy);
  }

  /** @param clockMs the clock of the hub is wrong by this time */
  async restart(hub: FaultyHub, clockMs = 0): Promise<void> {
    hub.process = await this.#startHub(hub, hub.process.port, clockMs);
  }

  /** The hub ends without notice, with all its processes. */
  async kill({ process: hub }: FaultyHub): Promise<void> {
    const workers = childrenOf(hub.pid);
    await hub.end('SIGKILL');
    await until('its processes have ended', () => !workers.some(isRunning));
  }

  /** One process of the hub ends without notice: the owner of its data or a follower. */
  killOneProcess({ process: hub }: FaultyHub, random: Seeded): void {
    const workers = childrenOf(hub.pid);
    if (workers.length > 0) process.kill(random.pick(workers), 'SIGKILL');
  }

  /** The hub stands still, with all its processes, until the result is called. */
  pause({ process: hub }: FaultyHub): () => void {
    const pids = [hub.pid, ...childrenOf(hub.pid)];
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    return () => {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    };
  }

  /** The hub ends in order, and starts with this version. */
  async upgrade(hub: FaultyHub): Promise<void> {
    await hub.process.end('SIGTERM');
    hub.isOlder = false;
    await this.restart(hub);
  }

  async end(): Promise<void> {
    await Promise.all(this.hubs.map(({ process }) => process.end('SIGKILL')));
    await this.brokers.end();
    for (const proxy of [...this.#proxies, ...this.#routes.map((route) => route.proxy)]) proxy.close();
  }

  async #addHub(): Promise<void> {
    const proxies = await Promise.all(this.brokers.urls.map((url) => BrokerProxy.start(url)));
    this.#proxies.push(...proxies);
    const data = temporaryFolder('hub');
    const disk = canShim ? shimDisk(realpathSync(data)) : undefined;
    const hub = { data, proxies, disk, isOlder: this.#older !== undefined };
    this.hubs.push({ ...hub, process: await this.#startHub(hub) });
  }

  async #startHub(hub: Omit<FaultyHub, 'process'>, port?: number, clockMs = 0): Promise<HubProcess> {
    const { data, proxies, disk } = hub;
    const older = hub.isOlder ? this.#older : undefined;
    const nats = proxies.map(({ url }) => url);
    const config = {
      ...PRESENCE_CONFIG,
      processes: this.processesOfHub,
      cluster: { ...this.brokers.settings, nats, snapshotBytes: 1024 * 1024 },
    };
    const nodeOptions = `${older?.nodeOptions ?? ''} ${clockMs === 0 ? '' : wrongClock(clockMs)}`;
    const process = await startHubProcess({
      data,
      config,
      environment: { ...disk?.environment, NODE_OPTIONS: nodeOptions },
      ...(older !== undefined && { command: older.command }),
      ...(port !== undefined && { port }),
    });
    this.processes.push(process);
    return process;
  }
}

/** Options of Node.js that move the clock of a process. */
function wrongClock(byMs: number): string {
  const program = `const Real=Date;globalThis.Date=class extends Real{constructor(...a){super(...(a.length===0?[Real.now()+${byMs}]:a))}static now(){return Real.now()+${byMs}}}`;
  return `--import=data:text/javascript,${encodeURIComponent(program)}`;
}
