import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { BrokerDetails, SeenBroker, SeenJournal, SeenSnapshot } from '../../../core/cluster-state.ts';
import type { ClusterSettings } from '../../home.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { readBroker } from './durability-check.ts';
import { streamName } from './jetstream-journal.ts';

/** Brokers that elect a leader answer no question about the journal meanwhile. */
const ANSWER_MAX_MS = 2_500;

/** What the brokers of a cluster say of themselves, of the journal and of the snapshots. */
export interface SeenBrokers {
  readonly brokers: readonly SeenBroker[];
  readonly journal: SeenJournal | undefined;
  readonly snapshots: readonly SeenSnapshot[] | undefined;
}

export interface BrokerInspectionParts {
  readonly settings: Pick<ClusterSettings, 'name' | 'monitoring'>;
  readonly manager: JetStreamManager;
  readonly snapshots: Pick<SnapshotStore, 'list'>;
}

/**
 * Asks the brokers of a cluster about themselves. A broker that does not answer at its monitoring
 * port is recognized by the name that it had there before.
 */
export class BrokerInspection {
  readonly #parts: BrokerInspectionParts;
  readonly #names = new Map<string, string>();

  constructor(parts: BrokerInspectionParts) {
    this.#parts = parts;
  }

  async read(): Promise<SeenBrokers> {
    const { settings, manager, snapshots } = this.#parts;
    const [answers, info, listed] = await Promise.all([
      Promise.all(settings.monitoring.map((url) => this.#ask(url))),
      inTime(manager.streams.info(streamName(settings.name))),
      inTime(snapshots.list()),
    ]);
    return {
      brokers: seenBrokers(answers, info),
      journal: info && journalOf(info),
      snapshots: listed?.map(({ sequence, bytes, stored }) => ({ block: sequence, bytes, stored })),
    };
  }

  async #ask(url: string): Promise<BrokerAnswer> {
    const found = await readBroker(url).catch(() => undefined);
    if (found === undefined) return { url, name: this.#names.get(url), details: undefined };
    const [name, details] = found;
    this.#names.set(url, name);
    return { url, name, details };
  }
}

interface BrokerAnswer {
  readonly url: string;
  readonly name: string | undefined;
  readonly details: BrokerDetails | undefined;
}

/** The brokers of the monitoring ports, and those with a replica that no port shows. By name. */
function seenBrokers(answers: readonly BrokerAnswer[], info: StreamInfo | undefined): readonly SeenBroker[] {
  const leader = info?.cluster?.leader;
  const replicas = info?.cluster?.replicas ?? [];
  // A broker that is not part of a NATS cluster is the only one,
  // and may have no name in the stream.
  const isAlone = info !== undefined && replicas.length === 0 && answers.length === 1;
  const monitored = answers.map(({ url, name, details }): SeenBroker => {
    const replica = replicas.find((each) => each.name === name);
    const isLeader = isAlone || (name !== undefined && name === leader);
    return {
      name,
      monitoring: new URL(url).host,
      isReachable: details !== undefined,
      isLeader,
      isReplica: isLeader || replica !== undefined,
      missingBlocks: isLeader ? 0 : replica && missingOf(replica),
      details,
    };
  });
  const unmonitored = { monitoring: undefined, isReplica: true, details: undefined } as const;
  const names = new Set(answers.map(({ name }) => name));
  const others: SeenBroker[] = replicas
    .filter(({ name }) => !names.has(name))
    .map((replica) => ({
      ...unmonitored,
      name: replica.name,
      isReachable: replica.offline !== true,
      isLeader: false,
      missingBlocks: missingOf(replica),
    }));
  if (leader !== undefined && leader !== '' && !isAlone && !names.has(leader))
    others.push({ ...unmonitored, name: leader, isReachable: true, isLeader: true, missingBlocks: 0 });
  return [...monitored, ...others].toSorted((one, other) => ((one.name ?? '~') < (other.name ?? '~') ? -1 : 1));
}

/** `lag` is absent where there is none. */
function missingOf({ current, lag }: { readonly current: boolean; readonly lag?: number }): number | undefined {
  return current ? 0 : (lag ?? undefined);
}

export function journalOf({ config, cluster, state }: StreamInfo): SeenJournal {
  return {
    first: state.first_seq,
    last: state.last_seq,
    blocks: state.messages,
    bytes: state.bytes,
    oldest: state.messages === 0 ? undefined : String(state.first_ts),
    replicas: config.num_replicas,
    leader: cluster?.leader === '' ? undefined : cluster?.leader,
  };
}

async function inTime<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ANSWER_MAX_MS);
  return Promise.race([promise.catch(() => undefined), late]).finally(() => clearTimeout(timer));
}
