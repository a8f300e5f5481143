import type { Seeded } from '../../kit/seeded.ts';
import type { FaultyCluster } from './faulty-cluster.ts';

/** A fault begins with the call, and ends with the call of its result. */
type Fault = (cluster: FaultyCluster, random: Seeded) => Promise<() => Promise<void>>;

/** One hub or one broker fails at a time, so the others go on. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  async 'kill a hub'(cluster, random) {
    const hub = random.pick(cluster.hubs);
    await hub.process.end('SIGKILL');
    return () => cluster.restart(hub);
  },
  async 'stop a hub'(cluster, random) {
    const hub = random.pick(cluster.hubs);
    await hub.process.end('SIGTERM');
    return () => cluster.restart(hub);
  },
  async 'pause a hub'(cluster, random) {
    const { child } = random.pick(cluster.hubs).process;
    child.kill('SIGSTOP');
    return async () => void child.kill('SIGCONT');
  },
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
    const broker = await cluster.leader();
    await broker.end('SIGKILL');
    return () => broker.start();
  },
  async 'cut a hub from a broker'(cluster, random) {
    const proxy = random.pick(random.pick(cluster.hubs).proxies);
    proxy.cut();
    return async () => proxy.heal();
  },
  async 'cut a hub from all brokers'(cluster, random) {
    const { proxies } = random.pick(cluster.hubs);
    for (const proxy of proxies) proxy.cut();
    return async () => proxies.forEach((proxy) => proxy.heal());
  },
};
