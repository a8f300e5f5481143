import { temporaryFolder } from '../../kit/folders.ts';
import { startBrokers, type Broker, type Brokers } from '../../kit/brokers.ts';
import { startHubProcess, type HubProcess } from '../../kit/hub-process.ts';
import { call } from '../../kit/http.ts';
import { until } from '../../kit/wait.ts';
import { BrokerProxy } from './broker-proxy.ts';

/** One hub, its data, and its network to each broker. */
export interface FaultyHub {
  readonly data: string;
  readonly proxies: readonly BrokerProxy[];
  process: HubProcess;
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
  readonly #routes: readonly Route[];

  private constructor(brokers: Brokers, routes: readonly Route[]) {
    this.brokers = brokers;
    this.#routes = routes;
  }

  static async start(): Promise<FaultyCluster> {
    const routes: Route[] = [];
    const route = async (from: number, to: number, host: string): Promise<string> => {
      const proxy = await BrokerProxy.start(`nats://${host}`);
      routes.push({ from, to, proxy });
      return proxy.host;
    };
    const cluster = new FaultyCluster(await startBrokers({ count: 3, route }), routes);
    for (let index = 0; index < 3; index++) {
      const proxies = await Promise.all(cluster.brokers.urls.map((url) => BrokerProxy.start(url)));
      const data = temporaryFolder('hub');
      cluster.hubs.push({ data, proxies, process: await cluster.#startHub(data, proxies) });
    }
    return cluster;
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

  async restart(hub: FaultyHub): Promise<void> {
    hub.process = await this.#startHub(hub.data, hub.proxies, hub.process.port);
  }

  /** The broker that leads the journal, as a monitoring port says. */
  async leader(): Promise<Broker> {
    let leader: Broker | undefined;
    await until('the journal has a leader', async () => {
      for (const url of this.brokers.settings.monitoring) {
        const reply = await call(`${url}/jsz?streams=true&config=false`).catch(() => undefined);
        const name = /"name":\s*"PC_polycast"[\s\S]*?"leader":\s*"(\w+)"/.exec(reply?.text ?? '')?.[1];
        leader ??= this.brokers.brokers.find((broker) => broker.name === name);
      }
      return leader !== undefined;
    });
    return leader as Broker;
  }

  async end(): Promise<void> {
    for (const { process, proxies } of this.hubs) {
      process.child.kill('SIGCONT');
      await process.end('SIGKILL');
      for (const proxy of proxies) proxy.close();
    }
    await this.brokers.end();
    for (const { proxy } of this.#routes) proxy.close();
  }

  #startHub(data: string, proxies: readonly BrokerProxy[], port?: number): Promise<HubProcess> {
    const nats = proxies.map(({ url }) => url);
    const config = {
      cluster: { ...this.brokers.settings, nats, snapshotBytes: 1024 * 1024 },
    };
    return startHubProcess({ data, config, ...(port !== undefined && { port }) });
  }
}
