// A cluster: three brokers that sync before they confirm, and hubs on them. Each is a process, and
// all of them share both cores with the load.
import { once } from 'node:events';
import type { Broker, Brokers } from '../../conformance/kit/brokers.ts';
import { findNatsServer } from '../../scripts/nats.ts';
import { freshFolder } from '../harness/folders.ts';
import { allCores, outputOf } from '../harness/processes.ts';
import type { Peer } from './peer.ts';
import { polycast, type RunningHub, startHub } from './polycast.ts';

export interface ClusterHub extends RunningHub {
  /** Its data. */
  readonly folder: string;
}

export interface RunningCluster {
  readonly brokers: Brokers;
  /** Those that run, in the order of their starts. */
  readonly hubs: readonly ClusterHub[];
  /** Starts a hub. @param folder of a hub that has ended; an empty one if left out */
  start(folder?: string): Promise<ClusterHub>;
  /** Ends a hub, and resolves when it has ended. */
  end(hub: ClusterHub, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  stop(): Promise<void>;
}

/** A contender whose hubs are a cluster. */
export const clusterPeer: Peer = {
  ...polycast,
  unavailable: () => polycast.unavailable() ?? natsUnavailable(),
  version: () => `${polycast.version()}, ${natsVersion()}`,
};

/** JetStream without a hub. */
export const jetStreamPeer: Peer = { ...clusterPeer, unavailable: natsUnavailable, version: natsVersion };

function natsUnavailable(): string | undefined {
  return findNatsServer() === undefined ? 'there is no nats-server, and none can be installed' : undefined;
}

function natsVersion(): string {
  const version = outputOf(findNatsServer() ?? '', '--version') ?? '';
  return `nats-server ${/\d[\d.]+/.exec(version)?.[0] ?? ''}`;
}

/** @param settings `path=value` of each hub's configuration */
export async function startCluster(count: number, settings: readonly string[] = []): Promise<RunningCluster> {
  const brokers = await startThreeBrokers();
  let hubs: readonly ClusterHub[] = [];
  const start = async (folder: string = freshFolder('hub')): Promise<ClusterHub> => {
    const hub = await startHub(folder, [`cluster=${JSON.stringify(brokers.settings)}`, ...settings], allCores);
    const added = { ...hub, folder };
    hubs = [...hubs, added];
    return added;
  };
  const end = async (hub: ClusterHub, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const { child } = hub.process;
    hubs = hubs.filter((each) => each !== hub);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(hubs.map((hub) => hub.process.stop()));
    await brokers.end();
  };
  try {
    // The first hub creates the journal.
    while (hubs.length < count) await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers,
    get hubs() {
      return hubs;
    },
    start,
    end,
    stop,
  };
}

export async function startThreeBrokers(): Promise<Brokers> {
  // An import at the top would look for a nats-server in every run of the bench.
  const { startBrokers } = await import('../../conformance/kit/brokers.ts');
  const brokers = await startBrokers({ count: 3, folder: freshFolder('brokers') });
  brokers.brokers.forEach(useAllCores);
  return brokers;
}

/** The broker that leads the journal. */
export async function leaderOf(brokers: Brokers): Promise<Broker> {
  return (await import('../../conformance/kit/brokers.ts')).leaderOf(brokers);
}

/** Starts a broker again that has ended. */
export async function startAgain(broker: Broker): Promise<void> {
  await broker.start();
  useAllCores(broker);
}

/** A broker inherits the core of this process. */
function useAllCores({ child }: Broker): void {
  outputOf('taskset', '-a', '-c', '-p', allCores, String(child.pid));
}
