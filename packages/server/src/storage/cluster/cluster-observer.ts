import { PolycastError } from '@polycast/protocol';
import type { ClusterState, SeenHub } from '../../core/cluster-state.ts';
import type { Fleet } from './fleet.ts';
import { HubWatch, type WatchedHub } from './hub-watch.ts';
import type { Journal } from './journal.ts';
import type { ViewComparison } from './view-comparison.ts';

/** The brokers of the journal. */
export interface BrokerReader {
  /** The replicas that the configuration asks for. */
  readonly replicas: number;
  readonly read: () => Promise<Pick<ClusterState, 'brokers' | 'journal' | 'snapshots'>>;
}

export interface ClusterObserverParts {
  readonly journal: Pick<Journal, 'extent' | 'newest' | 'silentMs' | 'unsafeReason'>;
  readonly fleet: Pick<Fleet, 'self' | 'onBeat'>;
  readonly comparison: ViewComparison;
  /** Absent where the journal has no brokers. */
  readonly brokers: BrokerReader | undefined;
}

/** Hears the beats of the other hubs, and says what this hub knows of the cluster. */
export class ClusterObserver {
  readonly #parts: ClusterObserverParts;
  readonly #watch = new HubWatch();

  constructor(parts: ClusterObserverParts) {
    this.#parts = parts;
    parts.fleet.onBeat((beat) => {
      this.#watch.onBeat(beat, performance.now());
      parts.comparison.compare(beat);
    });
  }

  /** @throws PolycastError before the start of the log has ended */
  async inspect(): Promise<ClusterState> {
    const { brokers, comparison, fleet, journal } = this.#parts;
    const found = await (brokers?.read() ?? this.#readJournal());
    const { own } = comparison;
    if (own === undefined) throw new PolycastError('log_unavailable');
    return {
      own: this.#seen({ beat: { hub: fleet.self, ...own }, silentMs: 0, isGone: false }),
      others: this.#watch.list(performance.now()).map((each) => this.#seen(each)),
      newestBlock: Math.max(journal.newest, own.sequence, found.journal?.last ?? 0),
      silentMs: journal.silentMs,
      replicasWanted: brokers?.replicas ?? 1,
      unsafe: journal.unsafeReason,
      ...found,
    };
  }

  #seen({ beat, silentMs, isGone }: WatchedHub): SeenHub {
    const { hub, host, version, level = 1, sequence, hash, subscriptionOwner = '' } = beat;
    const { fleet, comparison } = this.#parts;
    const hasSameData = hub === fleet.self ? true : comparison.isSame(hub);
    return { hub, host, version, level, block: sequence, hash, hasSameData, subscriptionOwner, silentMs, isGone };
  }

  async #readJournal(): ReturnType<BrokerReader['read']> {
    const { first, last, bytes } = await this.#parts.journal.extent();
    const blocks = last - first + 1;
    const journal = { first, last, blocks, bytes, oldest: undefined, replicas: 1, leader: undefined };
    return { brokers: [], journal, snapshots: undefined };
  }
}
