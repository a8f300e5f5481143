import type { IdentityStore } from '../../../core/access/identity-store.ts';
import type { AttemptBounds } from '../../shared/attempt-bounds.ts';
import type { Block } from '../../view/block.ts';
import { ClusterIdentityStore } from '../identity/cluster-identity-store.ts';
import type { StorageLogger } from '../../home.ts';
import type { BlockEffect, LogView } from '../../view/log-view.ts';
import type { Fleet } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import { ClusterSubscriptionStore } from '../subscriptions/cluster-subscription-store.ts';
import { ClusterSubscriptions } from '../subscriptions/cluster-subscriptions.ts';
import { LeaseHolder } from '../subscriptions/work-lease.ts';

export interface ClusterStoresParts {
  readonly journal: Pick<Journal, 'blockBytesMax'>;
  readonly view: LogView;
  readonly fleet: Fleet;
  readonly logger: StorageLogger;
  /** This hub hears of revocations. */
  readonly isHearing: () => boolean;
  readonly isTrimmer: () => boolean;
  /** Commands are accepted. */
  readonly isAvailable: () => boolean;
  readonly command: (kind: 'identity' | 'subscriptions', data: Uint8Array) => Promise<BlockEffect>;
  /** Resolves when the view has all that the journal has now. */
  readonly reach: () => Promise<void>;
  /** Another hub works on subscriptions now. */
  readonly onDeposed: () => void;
  /** Called with the hub that works on subscriptions. */
  readonly onOwner: (owner: string) => void;
}

/**
 * What the hubs of a cluster share beside the events: keys and revocations, and subscriptions. They
 * change by blocks too.
 */
export class ClusterStores {
  readonly #parts: ClusterStoresParts;
  #identity: ClusterIdentityStore | undefined;
  #subscriptions: ClusterSubscriptions | undefined;

  constructor(parts: ClusterStoresParts) {
    this.#parts = parts;
  }

  /** The keys and revocations of the cluster. @param local those of this hub alone */
  async openIdentity(local: IdentityStore): Promise<IdentityStore> {
    const { journal, view, fleet, logger, isHearing, isTrimmer, command, reach } = this.#parts;
    this.#identity = new ClusterIdentityStore(
      {
        commandBytesMax: journal.blockBytesMax,
        fleet,
        logger,
        get isHearing() {
          return isHearing();
        },
        get isTrimmer() {
          return isTrimmer();
        },
        command: (data) => command('identity', data),
        reach,
        load: () => view.identity(),
        auditPage: (before, limit) => view.auditPage(before, limit),
      },
      local,
    );
    await this.#identity.open();
    return this.#identity;
  }

  /** The subscriptions of the cluster. */
  async openSubscriptions(bounds: AttemptBounds): Promise<ClusterSubscriptions> {
    const { journal, view, fleet, logger, isAvailable, command, onDeposed, onOwner } = this.#parts;
    const lease = new LeaseHolder({
      fleet,
      logger,
      get isAvailable() {
        return isAvailable();
      },
      command: (data) => command('subscriptions', data),
      loadState: () => view.subscriptionState(),
      onDeposed,
    });
    const store = new ClusterSubscriptionStore({ lease, view, commandBytesMax: journal.blockBytesMax, bounds });
    this.#subscriptions = new ClusterSubscriptions(store, lease, fleet);
    await lease.open();
    onOwner(lease.owner);
    return this.#subscriptions;
  }

  /** @param isOwn this hub has sent the block */
  onApplied(block: Block, outcome: BlockEffect, isOwn: boolean): void {
    if (outcome.kind === 'identity') this.#identity?.onApplied(block, outcome, isOwn);
    if (outcome.kind === 'subscriptions') this.#subscriptions?.onApplied(outcome);
  }

  onOutcomeLost({ kind }: Block): void {
    if (kind === 'identity') this.#identity?.onOutcomeLost();
    if (kind === 'subscriptions') this.#subscriptions?.lease.onOutcomeLost();
  }

  stats(): Readonly<Record<string, number>> | undefined {
    return this.#subscriptions?.stats();
  }

  close(): void {
    this.#subscriptions?.close();
  }
}
