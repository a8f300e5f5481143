import { PolycastError, type Cursor } from '@polycast/protocol';
import type { ClusterState } from '../../core/cluster-state.ts';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  ClusterNotReady,
  CheckedRange,
  CountedPage,
  CountQuery,
  ErasureListener,
  Log,
  LogState,
  NewRecord,
  OtherHubs,
  Position,
  ReadPage,
  ReadQuery,
  SharedLog,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import type { IdentityStore } from '../../core/access/identity-store.ts';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { BlockApplier, type AppliedListener } from './block-applier.ts';
import { BlockQueue } from './block-queue.ts';
import { ClusterObserver, type BrokerReader } from './cluster-observer.ts';
import { ClusterErasing } from './cluster-erasing.ts';
import { Hearing } from './hearing.ts';
import type { Fleet } from './fleet.ts';
import { ClusterIdentityStore } from './identity/cluster-identity-store.ts';
import type { AttemptBounds } from '../shared/attempt-bounds.ts';
import { ClusterSubscriptionStore } from './subscriptions/cluster-subscription-store.ts';
import { ClusterSubscriptions } from './subscriptions/cluster-subscriptions.ts';
import { otherHubs } from './other-hubs.ts';
import { LeaseHolder } from './subscriptions/work-lease.ts';
import { ChangedAtStartError, JournalError, type Journal } from './journal.ts';
import { createMarks, MARK, markUnlessFull, SilenceMarks } from './journal-marks.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import type { Block } from '../view/block.ts';
import { ReadBarrier } from './read-barrier.ts';
import { ReceivedBlocks } from './received-blocks.ts';
import { commandBytes, eraseOrderOf, parseBlockId, trimOrdersOf } from '../view/view-state.ts';
import { ViewComparison } from './view-comparison.ts';
import type { BlockOutcome, LogView } from '../view/log-view.ts';

/** After this time without a sign of the journal, publishes are refused immediately. */
const SILENT_MAX_MS = 10_000;
/** An order without channels forgets old keys and empty channels. It is sent this often at most. */
const EMPTY_TRIM_INTERVAL_MS = 60_000;
/** The interval of log lines while a start applies the journal. */
const PROGRESS_INTERVAL_MS = 2_000;
/** The longest wait of `close` for appends that have no outcome yet. */
const DRAIN_MAX_MS = 10_000;

export interface JournaledLogParts {
  readonly journal: Journal;
  readonly view: LogView;
  readonly fleet: Fleet;
  /** A name of this process that no other has or had. */
  readonly incarnation: string;
  /** The name of a new epoch after another one. */
  readonly newEpoch: (after: string) => string;
  /** Absent where the view has no file. */
  readonly snapshotter: Snapshotter | undefined;
  /** Absent where the journal has no brokers. */
  readonly brokers?: BrokerReader | undefined;
  readonly logger: ClusterLogger;
}

export interface ClusterLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * The log of a cluster. Appends go as blocks to the journal that all hubs share. They come back in
 * one order, and each hub applies them to a view of its own. The outcome of an append is what this
 * hub's view says of it. All reads are reads of the view.
 *
 * When brokers were rolled back, the journal lacks blocks that the view has. The log then stops
 * (`#reset`), `hub.ts` passes `onReset` on, and `ReopenedHub` of `main.ts` opens the hub again.
 * `openMatchingView` of `open-cluster-log.ts` finds it out with `follower-place.ts`, removes the
 * view and builds it from the journal, with a new epoch.
 */
export class JournaledLog implements Log, SharedLog {
  readonly #parts: JournaledLogParts;
  readonly #queue: BlockQueue;
  readonly #applier: BlockApplier;
  readonly #received: ReceivedBlocks;
  readonly #barrier: ReadBarrier;
  readonly #comparison: ViewComparison;
  readonly #observer: ClusterObserver;
  readonly #hearing: Hearing;
  readonly #silenceMarks: SilenceMarks;
  #identity: ClusterIdentityStore | undefined;
  #subscriptions: ClusterSubscriptions | undefined;
  readonly others: OtherHubs;
  readonly erasing: ClusterErasing;
  readonly check?: (after: Position) => Promise<CheckedRange>;
  #onTrimmed: ((orders: readonly TrimOrder[]) => void) | undefined;
  #onReset: (() => void) | undefined;
  #isCaughtUp = false;
  /** The epoch that the rest of the hub knows: that of its start. */
  #epoch = '';
  #resetReason: ResetReason | undefined;
  /** Resolves when a loss of blocks that this hub alone may know is known to the journal. */
  #lossReported: Promise<void> | undefined;
  #isReset = false;
  #stopReason: string | undefined;
  #emptyTrimMs = -Infinity;
  #isTrimUnfinished = false;
  #blocks = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: JournaledLogParts) {
    const { journal, view, fleet, incarnation, logger } = parts;
    this.#parts = parts;
    this.others = otherHubs(fleet, logger);
    this.#queue = new BlockQueue(journal, incarnation);
    this.#barrier = new ReadBarrier(journal, view.applied.sequence, () => this.#queue.command('epoch', MARK));
    this.#comparison = new ViewComparison(fleet, logger);
    this.#observer = new ClusterObserver({ journal, fleet, comparison: this.#comparison, brokers: parts.brokers });
    this.#hearing = new Hearing(journal, fleet, SILENT_MAX_MS, () => this.#barrier.reach());
    this.#silenceMarks = new SilenceMarks(
      journal,
      () => this.isTrimmer,
      () => this.#barrier.reach(),
    );
    const applied: AppliedListener = {
      onApplied: (block, outcome) => this.#onApplied(block, outcome),
      onOutcomeLost: (block) => this.#onOutcomeLost(block),
      onStopped: (error) => this.#stop(error),
    };
    this.#applier = new BlockApplier(view, applied, () => journal.silentMs);
    this.#received = new ReceivedBlocks(parts);
    const command = (data: Uint8Array): Promise<BlockOutcome> => this.#command('erase', data);
    this.erasing = new ClusterErasing({ view, fleet, others: this.others, logger, command });
    const check = view.check?.bind(view);
    if (check !== undefined) this.check = check;
  }

  /**
   * Follows the journal, and resolves when the view has all that the journal had at this call.
   * Returns the sequence of the mark that shows its end. 0: the journal has no room for one.
   */
  async catchUp(): Promise<number> {
    const { journal, view, incarnation, logger } = this.#parts;
    const applier = this.#applier;
    const appendMark = createMarks(journal, `${incarnation}follow`);
    const applied = view.applied.sequence;
    journal.follow(view.applied, {
      appendMark,
      onBlock: (block) => {
        this.#received.add(block);
        applier.add(block);
      },
      get whenReady() {
        return applier.whenReady;
      },
      onRolledBack: () => this.#reset('rolled_back'),
      onTrimmedBeyond: () => this.#reset('behind'),
    });
    let progress: NodeJS.Timeout | undefined;
    let mark = 0;
    const startMs = performance.now();
    try {
      mark = await markUnlessFull(appendMark);
      const last = mark || (await journal.last());
      // The mark is one of them.
      if (last - applied > 1) logger.info({ blocks: last - applied, from: applied }, 'cluster: applying the journal');
      progress = setInterval(
        () => logger.info({ sequence: view.applied.sequence, last }, 'cluster: applying the journal'),
        PROGRESS_INTERVAL_MS,
      );
      // Once the journal was rolled back, or this version cannot apply a block, no more is applied.
      if (this.#resetReason === undefined && this.#stopReason === undefined)
        await this.#barrier.whenApplied(last, Infinity);
    } finally {
      clearInterval(progress);
      await this.#lossReported;
    }
    if (this.#resetReason !== undefined) throw new ChangedAtStartError(RESET_MESSAGES[this.#resetReason]);
    if (this.#stopReason !== undefined) throw new JournalError('unknown', this.#stopReason);
    this.#setCaughtUp();
    this.#hearing.start(performance.now() - startMs);
    this.erasing.start();
    this.#comparison.start(view.applied.sequence, view.applied.hash);
    this.#silenceMarks.start();
    return mark;
  }

  /** Begins the log in a journal whose first block did not. */
  begin(genesis: Uint8Array): Promise<void> {
    return this.#changeEpoch('genesis', genesis);
  }

  /** The keys and revocations of the cluster. @param local those of this hub alone */
  async openIdentity(local: IdentityStore): Promise<IdentityStore> {
    const { journal, view, fleet, logger } = this.#parts;
    const isHearing = (): boolean => this.#isHearing;
    const isTrimmer = (): boolean => this.isTrimmer;
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
        command: (data) => this.#command('identity', data),
        reach: () => this.#barrier.reach(),
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
    const { journal, view, fleet, logger } = this.#parts;
    const isAvailable = (): boolean => this.#unavailable === undefined;
    const lease = new LeaseHolder({
      fleet,
      logger,
      get isAvailable() {
        return isAvailable();
      },
      command: (data) => this.#command('subscriptions', data),
      loadState: () => view.subscriptionState(),
      onDeposed: () => this.#reset('deposed'),
    });
    const store = new ClusterSubscriptionStore({ lease, view, commandBytesMax: journal.blockBytesMax, bounds });
    this.#subscriptions = new ClusterSubscriptions(store, lease, fleet);
    await lease.open();
    this.#comparison.reportOwner(lease.owner);
    return this.#subscriptions;
  }

  /** Orders a new epoch, before any other part of the hub knows the present one. */
  renewEpoch(to: string): Promise<void> {
    return this.#changeEpoch('epoch', commandBytes({ from: this.state.epoch, to }));
  }

  /** A snapshot of this epoch has a block that the brokers have lost. */
  async reportLoss(epoch: string): Promise<void> {
    const { newEpoch, logger } = this.#parts;
    const from = this.state.epoch;
    // Another hub has noticed it.
    if (epoch < from) return;
    logger.error({ epoch }, 'cluster: the brokers have lost a block that a snapshot has; new epoch');
    await this.#queue.command('epoch', commandBytes({ from, to: newEpoch(epoch) }));
  }

  async #changeEpoch(kind: 'genesis' | 'epoch', data: Uint8Array): Promise<void> {
    const { epoch } = this.state;
    this.#isCaughtUp = false;
    try {
      await this.#queue.command(kind, data);
    } catch (error) {
      // The outcome may be lost although the view has the new epoch.
      if (this.state.epoch === epoch) throw error;
    }
    this.#setCaughtUp();
  }

  #setCaughtUp(): void {
    this.#epoch = this.state.epoch;
    this.#isCaughtUp = true;
  }

  get shared(): SharedLog {
    return this;
  }

  get state(): LogState {
    const { epoch, epochStart, head, unavailable } = this.#parts.view.state;
    return { epoch, epochStart, head, unavailable: this.#unavailable ?? unavailable };
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const { unavailable } = this.state;
    if (unavailable !== undefined) return Promise.reject(this.#refusal(unavailable));
    return records.length === 0 ? Promise.resolve([]) : this.#queue.append(records);
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.#parts.view.follow(listener);
  }

  read(query: ReadQuery): Promise<ReadPage> {
    return this.#closing === undefined ? this.#parts.view.read(query) : Promise.reject(closedError());
  }

  count(query: CountQuery): Promise<CountedPage> {
    return this.#closing === undefined ? this.#parts.view.count(query) : Promise.reject(closedError());
  }

  channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    return this.#closing === undefined ? this.#parts.view.channels(query) : Promise.reject(closedError());
  }

  async trim(
    orders: readonly TrimOrder[],
    nowMs: number,
  ): Promise<{ readonly removed: number; readonly more: boolean }> {
    const { unavailable } = this.state;
    if (unavailable !== undefined && unavailable !== 'log_full') throw this.#refusal(unavailable);
    const isEmptyDue = this.#isTrimUnfinished || Math.abs(nowMs - this.#emptyTrimMs) >= EMPTY_TRIM_INTERVAL_MS;
    if (orders.length === 0 && !isEmptyDue) return { removed: 0, more: false };
    this.#emptyTrimMs = nowMs;
    const outcome = await this.#queue.command('trim', commandBytes({ orders, nowMs }));
    const { removed, more } = outcome.kind === 'trimmed' ? outcome : { removed: 0, more: false };
    this.#isTrimUnfinished = more;
    return { removed, more };
  }

  stats(): Readonly<Record<string, number>> {
    const { journal, view, fleet } = this.#parts;
    return {
      ...view.stats(),
      ...this.#queue.stats(),
      blocks: this.#blocks,
      blocksWaiting: this.#applier.waiting,
      appliedSequence: view.applied.sequence,
      journalDistance: Math.max(0, journal.newest - view.applied.sequence),
      journalSilentMs: journal.silentMs,
      otherHubs: fleet.hubs.length,
      ...this.#parts.snapshotter?.stats(),
      ...this.#subscriptions?.stats(),
    };
  }

  get memoryUsage(): Readonly<Record<string, MemoryUsage>> {
    return this.#parts.view.memoryUsage ?? {};
  }

  reach({ epoch, position }: Cursor): Promise<void> | undefined {
    const isReached = (): boolean => {
      const { state } = this.#parts.view;
      return epoch < state.epoch || (epoch === state.epoch && position <= state.head);
    };
    return isReached() ? undefined : this.#barrier.reachCursor(isReached);
  }

  reachNewest(): Promise<void> {
    return this.#barrier.reach();
  }

  onTrimmed(listener: (orders: readonly TrimOrder[]) => void): void {
    this.#onTrimmed = listener;
  }

  onErased(listener: ErasureListener): void {
    this.erasing.listener = listener;
  }

  onReset(listener: () => void): void {
    this.#onReset = listener;
    if (this.#isReset) listener();
  }

  /**
   * The hub with the first name trims. If two hubs believe it for a moment, they order the same.
   */
  get isTrimmer(): boolean {
    const { fleet } = this.#parts;
    return fleet.hubs.every(({ hub }) => hub > fleet.self);
  }

  get silentMs(): number {
    return this.#parts.journal.silentMs;
  }

  get problems(): readonly string[] {
    const { unsafeReason } = this.#parts.journal;
    return [
      ...(unsafeReason === undefined ? [] : ['cluster_unsafe']),
      ...(this.#isSilent ? ['cluster_silent'] : []),
      ...(this.#comparison.hasDifference ? ['cluster_view_differs'] : []),
      ...(this.#stopReason === undefined ? [] : ['cluster_upgrade_needed']),
    ];
  }

  get notReadyReason(): ClusterNotReady | undefined {
    if (this.#stopReason !== undefined) return 'cluster_upgrade_needed';
    if (this.#isSilent) return 'cluster_silent';
    if (this.state.unavailable !== undefined) return undefined;
    if (!this.#isHearing) return 'cluster_silent';
    return this.#parts.journal.unsafeReason === undefined ? undefined : 'cluster_unsafe';
  }

  /** Whether this hub hears of revocations: it applies the journal, or all hubs reach it. */
  get #isHearing(): boolean {
    if (this.#resetReason !== undefined || this.#stopReason !== undefined) return false;
    return this.#applier.stalledMs <= SILENT_MAX_MS && this.#hearing.isHearing;
  }

  get #isSilent(): boolean {
    return this.#parts.journal.silentMs > SILENT_MAX_MS;
  }

  inspect(): Promise<ClusterState> {
    return this.#observer.inspect();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { journal, view, fleet } = this.#parts;
    this.#silenceMarks.stop();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, DRAIN_MAX_MS);
    await Promise.race([Promise.all([this.#queue.drained(), this.#lossReported]), late]);
    clearTimeout(timer);
    this.#queue.abandon();
    this.#barrier.close();
    this.#subscriptions?.close();
    const snapshotEnd = this.#parts.snapshotter?.close();
    await fleet.close();
    await journal.close();
    await snapshotEnd;
    await this.#applier.close();
    await this.erasing.close();
    await view.close();
  }

  async #command(kind: 'identity' | 'subscriptions' | 'erase', data: Uint8Array): Promise<BlockOutcome> {
    if (this.#unavailable !== undefined) throw this.#refusal(this.#unavailable);
    return this.#queue.command(kind, data);
  }

  get #unavailable(): LogState['unavailable'] {
    const isOut = this.#closing ?? this.#resetReason ?? this.#stopReason;
    return isOut !== undefined || this.#isSilent ? 'log_unavailable' : undefined;
  }

  #refusal(code: NonNullable<LogState['unavailable']>): PolycastError {
    return this.#closing === undefined ? new PolycastError(code) : closedError();
  }

  #onApplied(block: Block, outcome: BlockOutcome): void {
    this.#blocks++;
    if (outcome.kind === 'subscriptions') this.#comparison.reportOwner(outcome.lease.owner);
    this.#comparison.onApplied(block.sequence, outcome.hash);
    if (outcome.kind === 'trimmed') this.#onTrimmed?.(outcome.orders);
    if (outcome.kind === 'erased') this.erasing.onApplied(outcome.order);
    if (outcome.kind === 'identity') this.#identity?.onApplied(block, outcome, this.#isOwn(block));
    if (outcome.kind === 'subscriptions') this.#subscriptions?.onApplied(outcome);
    if (this.#isOwn(block)) this.#queue.onApplied(block.id, outcome);
    this.#barrier.onApplied(block.sequence);
    if (this.#isCaughtUp && this.isTrimmer) this.#parts.snapshotter?.onApplied(block.data.byteLength);
    if (outcome.kind === 'epoch') this.#resetIfNewEpoch();
  }

  #onOutcomeLost(block: Block): void {
    if (block.kind === 'trim') this.#onTrimmed?.(trimOrdersOf(block));
    if (block.kind === 'identity') this.#identity?.onOutcomeLost();
    if (block.kind === 'erase') this.erasing.onApplied(eraseOrderOf(block));
    if (block.kind === 'subscriptions') this.#subscriptions?.lease.onOutcomeLost();
    if (this.#isOwn(block)) this.#queue.onOutcomeLost(block.id);
    this.#barrier.onApplied(block.sequence);
    this.#resetIfNewEpoch();
  }

  #resetIfNewEpoch(): void {
    if (this.#isCaughtUp && this.#parts.view.applied.epoch !== this.#epoch) this.#reset('new_epoch');
  }

  #isOwn({ id }: Block): boolean {
    return parseBlockId(id).incarnation === this.#parts.incarnation;
  }

  #stop(error: Error): void {
    this.#stopReason = error.message;
    this.#parts.logger.error(
      { error: error.message },
      'cluster: the journal has a block that this version cannot apply',
    );
    // A start would wait for it for ever.
    if (!this.#isCaughtUp) this.#barrier.close();
  }

  #reset(reason: ResetReason): void {
    if (this.#resetReason !== undefined) return;
    this.#resetReason = reason;
    const message = `cluster: ${RESET_MESSAGES[reason]}, opening the log again`;
    this.#parts.logger.error({ reason, sequence: this.#parts.view.applied.sequence }, message);
    // A caller that waits for an outcome would wait for ever, and the hub closes only after it.
    this.#queue.abandon();
    if (reason !== 'rolled_back') return this.#endReset();
    this.#lossReported = this.#received.reportLoss();
    void this.#lossReported.then(() => this.#endReset());
  }

  #endReset(): void {
    // A start that waits for blocks would wait for ever.
    if (!this.#isCaughtUp) this.#barrier.close();
    this.#isReset = true;
    this.#onReset?.();
  }
}

type ResetReason = 'rolled_back' | 'new_epoch' | 'behind' | 'deposed';

const RESET_MESSAGES: Readonly<Record<ResetReason, string>> = {
  rolled_back: 'the brokers have lost blocks that this hub has applied',
  new_epoch: 'the journal has a new epoch',
  behind: 'the journal was trimmed beyond this hub',
  deposed: 'another hub works on subscriptions, because this one was silent',
};

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
