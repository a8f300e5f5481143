import { connect } from 'node:net';
import { leaderOf } from '../../kit/brokers.ts';
import { canShim } from '../../kit/disk-shim.ts';
import type { Seeded } from '../../kit/seeded.ts';
import { until } from '../../kit/wait.ts';
import type { BrokerProxy, Direction } from './broker-proxy.ts';
import type { FaultyCluster } from './faulty-cluster.ts';

/** A fault begins with the call, and ends with the call of its result. */
type Fault = (cluster: FaultyCluster, random: Seeded) => Promise<() => Promise<void>>;

/** One hub or one broker fails at a time, so the others go on. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  async 'kill a hub'(cluster, random) {
    const hub = random.pick(cluster.hubs);
    await cluster.kill(hub);
    return () => cluster.restart(hub);
  },
  async 'stop a hub'(cluster, random) {
    const hub = random.pick(cluster.hubs);
    await hub.process.end('SIGTERM');
    return () => cluster.restart(hub);
  },
  async 'pause a hub'(cluster, random) {
    const resume = cluster.pause(random.pick(cluster.hubs));
    return async () => resume();
  },
  async 'a hub with a wrong clock'(cluster, random) {
    const hub = random.pick(cluster.hubs);
    await hub.process.end('SIGTERM');
    await cluster.restart(hub, random.pick([-5_000, 5_000]));
    return nothing;
  },
  async 'a hub after the other starts again'(cluster) {
    for (const hub of cluster.hubs) {
      await hub.process.end('SIGTERM');
      await cluster.restart(hub);
    }
    return nothing;
  },
  ...(canShim && {
    async 'the disk of a hub is full'(cluster: FaultyCluster, random: Seeded) {
      const { disk } = random.pick(cluster.hubs);
      disk?.order('full', '');
      return async () => disk?.order('full', undefined);
    },
  }),
  async 'kill a broker'(cluster, random) {
    const broker = random.pick(cluster.brokers.brokers);
    await broker.end('SIGKILL');
    return () => broker.start();
  },
  async 'pause a broker'(cluster, random) {
    const { child } = random.pick(cluster.brokers.brokers);
    child.kill('SIGSTOP');
    return async () => void child.kill('SIGCONT');
  },
  async 'kill the leading broker'(cluster) {
    const broker = await leaderOf(cluster.brokers);
    await broker.end('SIGKILL');
    return () => broker.start();
  },
  async 'pause the leading broker'(cluster) {
    const { child } = await leaderOf(cluster.brokers);
    child.kill('SIGSTOP');
    return async () => void child.kill('SIGCONT');
  },
  'cut a hub from a broker': async (cluster, random) => cutAll([random.pick(random.pick(cluster.hubs).proxies)]),
  'cut a hub from all brokers': async (cluster, random) => cutAll(random.pick(cluster.hubs).proxies),
  'a hub and a broker hear each other one way': async (cluster, random) =>
    holdAll([random.pick(random.pick(cluster.hubs).proxies)], random),
  'a hub and all brokers hear each other one way': async (cluster, random) =>
    holdAll(random.pick(cluster.hubs).proxies, random),
  'cut a broker from the others': async (cluster, random) => cutAll(cluster.routesOf(random.below(BROKERS))),
  'cut the leading broker from the others': async (cluster) =>
    cutAll(cluster.routesOf(cluster.brokers.brokers.indexOf(await leaderOf(cluster.brokers)))),
  'cut two brokers from each other': async (cluster, random) => {
    const one = random.below(BROKERS);
    return cutAll(cluster.routesOf(one, (one + 1) % BROKERS));
  },
  'two brokers hear each other one way': async (cluster, random) => {
    const one = random.below(BROKERS);
    return holdAll(cluster.routesOf(one, (one + 1) % BROKERS), random);
  },
  async 'a slow broker'(cluster, random) {
    const at = random.below(BROKERS);
    const proxies = [...cluster.routesOf(at), ...cluster.hubs.map((hub) => hub.proxies[at] as BrokerProxy)];
    for (const proxy of proxies) proxy.slow(20 + random.below(200));
    return healing(proxies);
  },
};

/** These happen where each hub has several processes. */
export const PROCESS_FAULTS: Readonly<Record<string, Fault>> = {
  async 'kill a process of a hub'(cluster, random) {
    cluster.killOneProcess(random.pick(cluster.hubs), random);
    return nothing;
  },
};

/** These happen while a hub has an earlier version. */
export const UPGRADES: Readonly<Record<string, Fault>> = {
  async 'upgrade a hub'(cluster, random) {
    await cluster.upgrade(random.pick(cluster.hubs.filter(({ isOlder }) => isOlder)));
    return nothing;
  },
};

/** Faults in which nobody can publish. */
export const STANDSTILLS: Readonly<Record<string, Fault>> = {
  async 'a full journal'(cluster) {
    const { bytes, config } = await streamInfo(cluster);
    await request(cluster, 'UPDATE', { ...config, max_bytes: Math.max(1, bytes) });
    return async () => void (await request(cluster, 'UPDATE', config));
  },
  'all brokers are cut from each other': async (cluster) => cutAll([...cluster.routesOf(0), ...cluster.routesOf(1)]),
};

const BROKERS = 3;

const nothing = async (): Promise<void> => undefined;

function healing(proxies: readonly BrokerProxy[]): () => Promise<void> {
  return async () => proxies.forEach((proxy) => proxy.heal());
}

function cutAll(proxies: readonly BrokerProxy[]): () => Promise<void> {
  for (const proxy of proxies) proxy.cut();
  return healing(proxies);
}

function holdAll(proxies: readonly BrokerProxy[], random: Seeded): () => Promise<void> {
  const direction = random.pick<Direction>(['there', 'back']);
  for (const proxy of proxies) proxy.hold(direction);
  return healing(proxies);
}

async function streamInfo(cluster: FaultyCluster): Promise<{ readonly bytes: number; readonly config: object }> {
  const { state, config } = (await request(cluster, 'INFO', {})) as {
    readonly state: { readonly bytes: number };
    readonly config: object;
  };
  return { bytes: state.bytes, config };
}

/** Asks the brokers about the stream of the journal, until one answers. */
async function request(cluster: FaultyCluster, what: 'INFO' | 'UPDATE', data: object): Promise<object> {
  let answer: object | undefined;
  await until(`a broker has done ${what}`, async () => {
    for (const url of cluster.brokers.urls) {
      answer = await requestOnce(new URL(url), `$JS.API.STREAM.${what}.PC_polycast`, JSON.stringify(data));
      if (answer !== undefined && !('error' in answer)) return true;
    }
    return false;
  });
  return answer as object;
}

/** One request in the text protocol of NATS. */
function requestOnce({ hostname, port }: URL, subject: string, data: string): Promise<object | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(Number(port), hostname);
    const end = (answer?: object): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => end());
    socket.on('error', () => end());
    socket.on('close', () => end());
    socket.on('data', (bytes) => {
      text += bytes.toString();
      const message = /^MSG in 1 (\d+)\r\n/m.exec(text);
      if (message === null) return;
      const from = message.index + message[0].length;
      if (text.length >= from + Number(message[1]))
        end(JSON.parse(text.slice(from, from + Number(message[1]))) as object);
    });
    socket.write(
      `CONNECT {"verbose":false,"pedantic":false}\r\nSUB in 1\r\nPUB ${subject} in ${Buffer.byteLength(data)}\r\n${data}\r\n`,
    );
  });
}
