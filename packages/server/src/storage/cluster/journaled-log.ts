import { PolycastError, type Cursor } from '@polycast/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNotReady, ClusterState, OtherHubs } from '../../core/cluster-state.ts';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  CheckedRange,
  CountedPage,
  CountQuery,
  ErasureListener,
  Log,
  LogState,
  NewRecord,
  PackedEvents,
  Position,
  ReadPage,
  ReadQuery,
  SharedLog,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import type { IdentityStore } from '../../core/access/identity-store.ts';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { BlockApplier } from './block-applier.ts';
import { BlockQueue } from './block-queue.ts';
import { AppliedBlocks } from './log/applied-blocks.ts';
import { catchUp } from './log/catch-up.ts';
import { ClusterObserver, type BrokerReader } from './cluster-observer.ts';
import { ClusterStores } from './log/cluster-stores.ts';
import { ClusterTrims } from './log/cluster-trims.ts';
import { ClusterErasing } from './cluster-erasing.ts';
import { Hearing } from './hearing.ts';
import type { Fleet } from './fleet.ts';
import type { AttemptBounds } from '../shared/attempt-bounds.ts';
import type { ClusterSubscriptions } from './subscriptions/cluster-subscriptions.ts';
import { otherHubs } from './other-hubs.ts';
import type { Journal } from './journal.ts';
import { EarlyEvents } from './log/early-events.ts';
import { EpochChanges } from './log/epoch-changes.ts';
import { LogHealth, SILENT_MAX_MS } from './log/log-health.ts';
import { LogLifecycle } from './log/log-lifecycle.ts';
import { createMarks, MARK, SilenceMarks } from './journal-marks.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import type { StorageLogger } from '../home.ts';
import { ReadBarrier, WAIT_MAX_MS } from './read-barrier.ts';
import { ReceivedBlocks } from './received-blocks.ts';
import { ViewComparison } from './view-comparison.ts';
import type { BlockEffect, LogView } from '../view/log-view.ts';

/** The longest wait for appends that have no outcome yet, once the hub begins to close. */
const DRAIN_MAX_MS = 10_000;

export interface JournaledLogParts {
  readonly journal: Journal;
  readonly view: LogView;
  readonly fleet: Fleet;
  /** A name of this process that no other has or had. */
  readonly incarnation: string;
  /** The name of a new epoch after another one. */
  readonly newEpoch: (after: string) => string;
  /** Removes all that the view has. The view is closed. */
  readonly wipeView: () => Promise<void>;
  /** Whether the view may be built again because those of other hubs differ from it. */
  readonly mayRebuild: () => boolean;
  /** Absent where the view has no file. */
  readonly snapshotter: Snapshotter | undefined;
  /** Absent where the journal has no brokers. */
  readonly brokers?: BrokerReader | undefined;
  readonly logger: StorageLogger;
}

/**
 * The log of a cluster. Appends go as blocks to the journal that all hubs share. They come back in
 * one order, and each hub applies them to a view of its own. The outcome of an append is what this
 * hub's view says of it, or will certainly say (`EarlyEvents`). All reads are reads of the view.
 *
 * `LogLifecycle` says how it ends, `LogHealth` how it is, and `BlockApplier` applies the blocks.
 */
export class JournaledLog implements Log, SharedLog {
  readonly #parts: JournaledLogParts;
  readonly #queue: BlockQueue;
  readonly #applied: AppliedBlocks;
  readonly #applier: BlockApplier;
  readonly #received: ReceivedBlocks;
  readonly #early: EarlyEvents;
  readonly #barrier: ReadBarrier;
  readonly #comparison: ViewComparison;
  readonly #observer: ClusterObserver;
  readonly #hearing: Hearing;
  readonly #silenceMarks: SilenceMarks;
  readonly #lifecycle: LogLifecycle;
  readonly #health: LogHealth;
  readonly epochs: EpochChanges;
  readonly #trims: ClusterTrims;
  readonly #stores: ClusterStores;
  readonly others: OtherHubs;
  readonly erasing: ClusterErasing;
  readonly check?: (after: Position) => Promise<CheckedRange>;
  #abandoning: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: JournaledLogParts) {
    const { journal, view, fleet, incarnation, logger } = parts;
    this.#parts = parts;
    this.others = otherHubs(fleet, logger);
    this.#queue = new BlockQueue(journal, incarnation);
    this.#barrier = new ReadBarrier({
      journal,
      applied: view.applied.sequence,
      appendMark: () => this.#queue.command('epoch', MARK),
      applyNow: (sequence) => this.#applyNow(sequence),
    });
    this.#comparison = new ViewComparison(fleet, logger, () => {
      if (parts.mayRebuild()) this.#lifecycle.reset('outvoted');
    });
    this.#observer = new ClusterObserver({ journal, fleet, comparison: this.#comparison, brokers: parts.brokers });
    this.#hearing = new Hearing(journal, fleet, SILENT_MAX_MS, () => this.#barrier.reach());
    this.#silenceMarks = new SilenceMarks(
      journal,
      () => this.isTrimmer,
      () => this.#barrier.reach(),
    );
    this.#early = new EarlyEvents(view, (sequence) => this.#barrier.whenApplied(sequence, WAIT_MAX_MS));
    this.#received = new ReceivedBlocks(parts);
    this.#lifecycle = new LogLifecycle({
      view,
      logger,
      abandon: () => this.#queue.abandon(),
      endWaits: () => this.#barrier.close(),
      reportLoss: () => this.#received.reportLoss(),
    });
    this.epochs = new EpochChanges({ ...parts, queue: this.#queue, lifecycle: this.#lifecycle });
    this.#trims = new ClusterTrims(this.#queue);
    this.#stores = new ClusterStores({
      ...parts,
      isHearing: () => this.#health.isHearing,
      isTrimmer: () => this.isTrimmer,
      isAvailable: () => this.#unavailable === undefined,
      command: (kind, data) => this.#command(kind, data),
      reach: () => this.#barrier.reach(),
      onDeposed: () => this.#lifecycle.reset('deposed'),
      onOwner: (owner) => this.#comparison.reportOwner(owner),
    });
    const command = (data: Uint8Array): Promise<BlockEffect> => this.#command('erase', data);
    this.erasing = new ClusterErasing({ ...parts, others: this.others, barrier: this.#barrier, command });
    this.#applied = new AppliedBlocks({
      ...parts,
      early: this.#early,
      queue: this.#queue,
      barrier: this.#barrier,
      comparison: this.#comparison,
      stores: this.#stores,
      erasing: this.erasing,
      lifecycle: this.#lifecycle,
      isTrimmer: () => this.isTrimmer,
      isAvailable: () => this.state.unavailable === undefined,
    });
    this.#applier = new BlockApplier(view, this.#applied, () => journal.silentMs);
    this.#health = new LogHealth({
      journal,
      lifecycle: this.#lifecycle,
      applier: this.#applier,
      hearing: this.#hearing,
      comparison: this.#comparison,
    });
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
    const lifecycle = this.#lifecycle;
    const appendMark = createMarks(journal, `${incarnation}follow`);
    const from = view.applied.sequence;
    journal.follow(view.applied, {
      appendMark,
      onBlock: (block) => {
        this.#received.add(block);
        applier.add(block, !this.#lifecycle.isCaughtUp || this.#applied.isOwn(block));
      },
      get whenReady() {
        return applier.whenReady;
      },
      get mayWait() {
        return lifecycle.isCaughtUp && !applier.hasReaders();
      },
      onRolledBack: () => this.#lifecycle.reset('rolled_back'),
      onTrimmedBeyond: () => this.#lifecycle.reset('behind'),
    });
    const startMs = performance.now();
    const parts = { journal, view, logger, barrier: this.#barrier, lifecycle };
    const mark = await catchUp(parts, from, appendMark);
    this.#lifecycle.assertNotEnded();
    this.#lifecycle.setCaughtUp();
    this.#hearing.start(performance.now() - startMs);
    this.erasing.start();
    this.#comparison.start(view.applied.sequence, view.applied.hash);
    this.#silenceMarks.start();
    return mark;
  }

  openIdentity(local: IdentityStore): Promise<IdentityStore> {
    return this.#stores.openIdentity(local);
  }

  openSubscriptions(bounds: AttemptBounds): Promise<ClusterSubscriptions> {
    return this.#stores.openSubscriptions(bounds);
  }

  get shared(): SharedLog {
    return this;
  }

  get state(): LogState {
    const { epoch, epochStart, unavailable } = this.#parts.view.state;
    return { epoch, epochStart, head: this.#early.head, unavailable: this.#unavailable ?? unavailable };
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const { unavailable } = this.state;
    if (unavailable !== undefined) return Promise.reject(this.#refusal(unavailable));
    return records.length === 0 ? Promise.resolve([]) : this.#queue.append(records);
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.followPacked((events) => listener(events.unpack()));
  }

  followPacked(listener: (events: PackedEvents) => void, hasReaders: () => boolean = () => true): void {
    this.#applier.hasReaders = hasReaders;
    this.#early.follow(listener);
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    const { after, through, direction } = query;
    return (await this.#viewWith(after, through, direction)).read(query);
  }

  async count(query: CountQuery): Promise<CountedPage> {
    return (await this.#viewWith(query.after, query.through, 'forward')).count(query);
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    return (await this.#viewWith(0, this.#early.head, 'backward')).channels(query);
  }

  /** The view, when it has the events of a read. */
  async #viewWith(after: Position, through: Position, direction: ReadQuery['direction']): Promise<LogView> {
    await this.#early.whenStored(after, through, direction);
    if (this.#closing !== undefined) throw closedError();
    return this.#parts.view;
  }

  async trim(
    orders: readonly TrimOrder[],
    nowMs: number,
  ): Promise<{ readonly removed: number; readonly more: boolean }> {
    const { unavailable } = this.state;
    if (unavailable !== undefined && unavailable !== 'log_full') throw this.#refusal(unavailable);
    return this.#trims.trim(orders, nowMs);
  }

  stats(): Readonly<Record<string, number>> {
    const { journal, view, fleet } = this.#parts;
    return {
      ...view.stats(),
      ...this.#queue.stats(),
      blocks: this.#applied.count,
      blocksWaiting: this.#applier.waiting,
      appliedSequence: view.applied.sequence,
      journalDistance: Math.max(0, journal.newest - view.applied.sequence),
      journalSilentMs: journal.silentMs,
      otherHubs: fleet.hubs.length,
      ...this.#parts.snapshotter?.stats(),
      ...this.#stores.stats(),
    };
  }

  get memoryUsage(): Readonly<Record<string, MemoryUsage>> {
    return this.#parts.view.memoryUsage ?? {};
  }

  reach({ epoch, position }: Cursor): Promise<void> | undefined {
    const isReached = (): boolean => {
      const { state } = this;
      return epoch < state.epoch || (epoch === state.epoch && position <= state.head);
    };
    return isReached() ? undefined : this.#barrier.reachCursor(isReached);
  }

  reachNewest(): Promise<void> {
    return this.#barrier.reach();
  }

  onTrimmed(listener: (orders: readonly TrimOrder[]) => void): void {
    this.#applied.onTrimmed = listener;
  }

  onErased(listener: ErasureListener): void {
    this.erasing.listener = listener;
  }

  onReset(listener: () => void): void {
    this.#lifecycle.onReset(listener);
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
    return this.#health.problems;
  }

  get notReadyReason(): ClusterNotReady | undefined {
    return this.#health.notReadyReason(this.state.unavailable !== undefined);
  }

  inspect(): Promise<ClusterState> {
    return this.#observer.inspect();
  }

  onHubCloses(): void {
    this.#abandoning ??= delay(DRAIN_MAX_MS, undefined, { ref: false }).then(() => this.#queue.abandon());
  }

  /** It could not open, so nobody waits for outcomes. */
  closeUnopened(): Promise<void> {
    this.#queue.abandon();
    return this.close();
  }

  close(): Promise<void> {
    this.onHubCloses();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { journal, view, fleet } = this.#parts;
    this.#silenceMarks.stop();
    const canCommit = !this.#lifecycle.hasEnded && view.state.unavailable === undefined;
    const committed = canCommit ? this.#early.whenCommitted().catch(() => undefined) : undefined;
    const drained = Promise.all([this.#queue.drained(), this.#lifecycle.lossReported, committed]);
    await Promise.race([drained, this.#abandoning]);
    this.#queue.abandon();
    this.#barrier.close();
    this.#stores.close();
    const snapshotEnd = this.#parts.snapshotter?.close();
    await fleet.close();
    await journal.close();
    await snapshotEnd;
    await this.#applier.close();
    await this.erasing.close();
    await view.close();
    if (this.#lifecycle.isViewWrong) await this.#parts.wipeView();
  }

  async #command(kind: 'identity' | 'subscriptions' | 'erase', data: Uint8Array): Promise<BlockEffect> {
    if (this.#unavailable !== undefined) throw this.#refusal(this.#unavailable);
    return this.#queue.command(kind, data);
  }

  get #unavailable(): LogState['unavailable'] {
    const isOut = this.#closing !== undefined || this.#lifecycle.hasEnded;
    return isOut || this.#health.isSilent ? 'log_unavailable' : undefined;
  }

  #refusal(code: NonNullable<LogState['unavailable']>): PolycastError {
    return this.#closing === undefined ? new PolycastError(code) : closedError();
  }

  #applyNow(sequence: number): void {
    this.#applier.applyNow(sequence);
    this.#parts.journal.deliverNow(sequence);
  }
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
