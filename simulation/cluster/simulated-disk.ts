import { PolycastError } from '@polycast/protocol';
import type { Seeded } from '../../conformance/kit/seeded.ts';
import type {
  ChannelQuery,
  ChannelState,
  CountedPage,
  CountQuery,
  LogState,
  ReadPage,
  ReadQuery,
  PackedEvents,
} from '../../packages/server/src/core/ports.ts';
import type { AuditEntry } from '../../packages/server/src/core/access/identity-store.ts';
import { createMemoryView } from '../../packages/server/src/storage/memory/memory-view.ts';
import {
  snapshotName,
  type Snapshot,
  type SnapshotAddress,
  type SnapshotStore,
} from '../../packages/server/src/storage/cluster/snapshots/snapshot-store.ts';
import type { Block } from '../../packages/server/src/storage/view/block.ts';
import type { ViewIdentity } from '../../packages/server/src/storage/view/identity-state.ts';
import type { BlockOutcome, LogView, ViewState } from '../../packages/server/src/storage/view/log-view.ts';
import type { ViewCopies } from '../../packages/server/src/storage/view/view-copies.ts';
import type { VirtualTime } from './virtual-time.ts';

export const AUDIT_ENTRIES_MAX = 50;
/**
 * Blocks that a power cut takes from a view, at most. A view syncs before its checkpoints only, so
 * in each fifth schedule it is a large part of all blocks. In the others most rollbacks
 * are noticed.
 */
const unsyncedMax = (seed: number): number => (seed % 5 === 0 ? 200 : 8);

/**
 * The disk of one hub. It has the blocks that the hub's view has applied. All views that have
 * applied the same blocks are equal, so this is the view.
 */
export class SimulatedDisk {
  blocks: readonly Block[] = [];
  isFull = false;
  /** A crash or a failed commit damages the view, as in `sqlite/log/view-build.ts`. */
  isBuilding = false;
  #hasFailed = false;
  readonly #time: VirtualTime;
  readonly #random: Seeded;
  /** The blocks of the file with the copy of a view, which becomes a snapshot. */
  #copy: readonly Block[] | undefined;

  constructor(time: VirtualTime, random: Seeded) {
    this.#time = time;
    this.#random = random;
  }

  async openView(): Promise<LogView> {
    this.isBuilding = this.blocks.length === 0 && !this.#hasFailed;
    const inner = createMemoryView(AUDIT_ENTRIES_MAX);
    await inner.apply(this.blocks);
    return new SimulatedView(this, inner, this.#time, this.#random);
  }

  async wipeView(): Promise<void> {
    this.blocks = [];
    this.isBuilding = false;
  }

  /** As the same process remembers it: the next view is not built in this way. */
  failBuild(): void {
    this.#hasFailed = true;
  }

  /** The next process remembers nothing. */
  onEnded(): void {
    this.#hasFailed = false;
    this.dropBuild();
  }

  /** A view that was not finished is removed. */
  dropBuild(): void {
    if (this.isBuilding) this.blocks = [];
    this.isBuilding = false;
  }

  /** A new and empty disk takes its place. */
  wipe(): void {
    this.blocks = [];
    this.#copy = undefined;
  }

  /** What was written last is lost. */
  cutPower(): void {
    this.blocks = this.blocks.slice(
      0,
      Math.max(0, this.blocks.length - this.#random.below(unsyncedMax(this.#random.seed) + 1)),
    );
  }

  readonly copies: ViewCopies & {
    readonly content: () => readonly Block[] | undefined;
    fill(blocks: readonly Block[]): void;
  } = {
    file: 'copy',
    make: async () => {
      await this.#time.wait(this.#random.below(100));
      this.#copy = this.blocks;
      const view = createMemoryView(AUDIT_ENTRIES_MAX);
      await view.apply(this.#copy);
      return view.applied;
    },
    install: async () => {
      await this.#time.wait(this.#random.below(50));
      this.blocks = this.#copy ?? [];
      this.isBuilding = false;
    },
    discard: async () => {
      this.#copy = undefined;
    },
    content: () => this.#copy,
    fill: (blocks) => {
      this.#copy = blocks;
    },
  };
}

/** A view whose commits take time, and fail while the disk is full. */
class SimulatedView implements LogView {
  readonly #disk: SimulatedDisk;
  readonly #inner: LogView;
  readonly #time: VirtualTime;
  readonly #random: Seeded;
  #isLost = false;

  constructor(disk: SimulatedDisk, inner: LogView, time: VirtualTime, random: Seeded) {
    this.#disk = disk;
    this.#inner = inner;
    this.#time = time;
    this.#random = random;
  }

  get state(): LogState {
    return { ...this.#inner.state, ...(this.#disk.isFull && { unavailable: 'log_full' as const }) };
  }

  get applied(): ViewState {
    return this.#inner.applied;
  }

  get channelCount(): number {
    return this.#inner.channelCount;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  async endBuild(): Promise<void> {
    await this.#time.wait(this.#random.fraction());
    if (this.#disk.isBuilding && this.#disk.isFull) this.#fail('log_full');
    this.#disk.isBuilding = false;
  }

  async apply(...request: Parameters<LogView['apply']>): Promise<readonly BlockOutcome[]> {
    await this.#time.wait(this.#random.fraction() * (this.#random.below(30) === 0 ? 40 : 1));
    if (this.#disk.isFull) this.#fail('log_full');
    const outcomes = await this.#inner.apply(...request);
    this.#disk.blocks = [...this.#disk.blocks, ...request[0]];
    // The thread of the view ends after the commit.
    if (this.#random.below(150) === 0) this.#fail('log_unavailable');
    return outcomes;
  }

  #fail(code: 'log_full' | 'log_unavailable'): never {
    if (this.#disk.isBuilding) {
      this.#isLost = true;
      this.#disk.failBuild();
    }
    throw new PolycastError(code);
  }

  release(block: Block): void {
    this.#inner.release(block);
  }

  followPacked(listener: (events: PackedEvents) => void): void {
    this.#inner.followPacked(listener);
  }

  read(query: ReadQuery): Promise<ReadPage> {
    return this.#inner.read(query);
  }

  count(query: CountQuery): Promise<CountedPage> {
    return this.#inner.count(query);
  }

  channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    return this.#inner.channels(query);
  }

  overwrite(): ReturnType<LogView['overwrite']> {
    return this.#inner.overwrite();
  }

  identity(): Promise<ViewIdentity> {
    return this.#inner.identity();
  }

  auditPage(before: number, limit: number): Promise<readonly AuditEntry[]> {
    return this.#inner.auditPage(before, limit);
  }

  subscriptionState(): ReturnType<LogView['subscriptionState']> {
    return this.#inner.subscriptionState();
  }

  subscriptions(...query: Parameters<LogView['subscriptions']>): ReturnType<LogView['subscriptions']> {
    return this.#inner.subscriptions(...query);
  }

  deadLetters(...query: Parameters<LogView['deadLetters']>): ReturnType<LogView['deadLetters']> {
    return this.#inner.deadLetters(...query);
  }

  stats(): Readonly<Record<string, number>> {
    return this.#inner.stats();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Snapshots at the brokers. A write or a read fails at times, and a snapshot may be damaged. */
export class SimulatedSnapshots {
  readonly #stored = new Map<
    string,
    { readonly snapshot: Snapshot; readonly blocks: readonly Block[]; isDamaged: boolean }
  >();
  readonly #time: VirtualTime;
  readonly #random: Seeded;

  constructor(time: VirtualTime, random: Seeded) {
    this.#time = time;
    this.#random = random;
  }

  /** One stays whole: without any, no hub could start anew after a trim. */
  damageNewest(): void {
    const whole = [...this.#stored.values()].filter(({ isDamaged }) => !isDamaged);
    const newest = whole.at(-1);
    if (newest !== undefined && whole.length > 1) newest.isDamaged = true;
  }

  /** The store as one hub reaches it. */
  of(disk: SimulatedDisk, isReached: () => boolean): SnapshotStore {
    const step = async (): Promise<void> => {
      await this.#time.wait(this.#random.below(60));
      if (!isReached() || this.#random.below(20) === 0) throw new Error('the store of snapshots does not answer');
    };
    return {
      list: async () => {
        await step();
        const all = [...this.#stored.values()].map(({ snapshot }) => snapshot);
        return all.toSorted((one, other) => other.sequence - one.sequence);
      },
      write: async ({ sequence, id, epoch }: SnapshotAddress) => {
        const blocks = disk.copies.content() ?? [];
        await step();
        const snapshot = { name: snapshotName({ sequence, id }), sequence, id, epoch, bytes: blocks.length };
        this.#stored.set(snapshot.name, { snapshot, blocks, isDamaged: false });
        return snapshot;
      },
      read: async ({ name }) => {
        await step();
        const stored = this.#stored.get(name);
        if (stored === undefined || stored.isDamaged) throw new Error(`the snapshot ${name} is damaged`);
        disk.copies.fill(stored.blocks);
      },
      remove: async ({ name }) => {
        await step();
        this.#stored.delete(name);
      },
      removeLeftovers: step,
    };
  }
}
