import { PolycastError } from '@polycast/protocol';
import type { PackedEvents, Position } from '../../../core/ports.ts';
import { countOf, isUnconditional } from '../../shared/batch-codec.ts';
import type { Block } from '../../view/block.ts';
import type { BlockEffect, LogView } from '../../view/log-view.ts';
import { appliedRecords, MemoryWriterNumbers, parseBlockId } from '../../view/view-state.ts';

/** Four full commits. A view that has more to apply is behind. */
const EARLY_BLOCKS_MAX = 256;

type Appended = Extract<BlockEffect, { readonly kind: 'appended' }>;

/** A block whose events were passed on, and which the view has not applied. */
interface EarlyBlock {
  readonly sequence: number;
  readonly firstPosition: Position;
  readonly events: number;
}

/**
 * Passes events on before the view has committed them, if nothing can change their positions. The
 * journal has made them durable. So a publish is acknowledged, and its readers have it, without two
 * changes of threads and a commit.
 *
 * Example: the view has position 7. A block with two events arrives, and no event has an
 * idempotency key or a condition. They get the positions 8 and 9 in every view, so this hub passes
 * them on as 8 and 9. Then its view applies the block. If it did anything else, the hub would open
 * its log again.
 */
export class EarlyEvents {
  readonly #view: LogView;
  readonly #whenApplied: (sequence: number) => Promise<void>;
  /** Processes and their blocks, as far as this log has received them. */
  readonly #writers = new MemoryWriterNumbers();
  #early: EarlyBlock[] = [];
  /** The number of their events. */
  #earlyEvents = 0;
  /** The newest position that was passed on early. */
  #head: Position = 0;
  #listener: ((events: PackedEvents) => void) | undefined;

  /** @param whenApplied resolves when the view has applied a block */
  constructor(view: LogView, whenApplied: (sequence: number) => Promise<void>) {
    this.#view = view;
    this.#whenApplied = whenApplied;
  }

  /** The newest position that the follower has. The view may be a moment behind it. */
  get head(): Position {
    return Math.max(this.#head, this.#view.state.head);
  }

  follow(listener: (events: PackedEvents) => void): void {
    this.#listener = listener;
    this.#view.followPacked((events) => {
      const passedOn = this.#head;
      // A view that has failed may repeat events.
      const unpack = (): ReturnType<PackedEvents['unpack']> => {
        const records = events.unpack();
        return (records[0]?.position ?? 0) > passedOn ? records : records.filter(({ position }) => position > passedOn);
      };
      if (events.through > passedOn) listener({ ...events, unpack });
    });
  }

  /**
   * Passes the events of the next block on. Returns what the block will do; `undefined` when only
   * the view can tell.
   */
  passOn(block: Block): Appended | undefined {
    if (this.#listener === undefined || this.#early.length >= EARLY_BLOCKS_MAX || !this.#isCertain(block))
      return undefined;
    const firstPosition = this.head + 1;
    const effect: Appended = { kind: 'appended', firstPosition, notAppended: [] };
    const count = countOf(block.data);
    this.#early.push({ sequence: block.sequence, firstPosition, events: count });
    this.#earlyEvents += count;
    this.#head = firstPosition + count - 1;
    this.#addWriter(block);
    this.#listener({
      through: this.#head,
      count,
      bytes: block.data.byteLength,
      unpack: () => appliedRecords([block], [effect], 0),
      // The view may still need the block.
      discard: () => undefined,
    });
    return effect;
  }

  /** Returns false when the view has done something else with a block that was passed on. */
  onApplied(block: Block, effect: BlockEffect): boolean {
    // A copy says nothing of the newest block of its process.
    if (effect.kind !== 'nothing' || this.#knows(block)) this.#addWriter(block);
    const early = this.#take(block);
    if (early === undefined) return true;
    return (
      effect.kind === 'appended' && effect.firstPosition === early.firstPosition && effect.notAppended.length === 0
    );
  }

  /** The view has applied a block and cannot tell how, so what was passed on counts. */
  onOutcomeLost(block: Block): void {
    if (this.#knows(block)) this.#addWriter(block);
    this.#take(block);
  }

  /** Resolves when the view has what was passed on. @throws PolycastError `log_unavailable` */
  async whenCommitted(): Promise<void> {
    const last = this.#early.at(-1);
    if (last !== undefined) await this.#whenApplied(last.sequence);
  }

  /**
   * Waits until the view has the events of a read. While the view fails, a read gets what the view
   * has, and is refused if it begins after that.
   * @returns `undefined` when there is nothing to wait for
   * @throws PolycastError `log_unavailable` when the view cannot apply them in time
   */
  whenStored(after: Position, through: Position, direction: 'forward' | 'backward'): Promise<void> | undefined {
    const last = this.#early.at(-1);
    if (last === undefined) return undefined;
    const { head, unavailable } = this.#view.state;
    const isStored = Math.min(through, this.head) <= head;
    if (!isStored && unavailable !== undefined && direction === 'forward' && after >= head)
      return Promise.reject(new PolycastError(unavailable));
    return isStored || unavailable !== undefined ? undefined : this.#whenApplied(last.sequence);
  }

  /** Removes a block that the view has applied; `undefined`: its events were not passed on. */
  #take(block: Block): EarlyBlock | undefined {
    if (this.#early[0]?.sequence !== block.sequence) return undefined;
    const early = this.#early.shift();
    this.#earlyEvents -= early?.events ?? 0;
    return early;
  }

  /** Whether each event of a block gets the next position, in every view. */
  #isCertain(block: Block): boolean {
    const { applied, channelCount } = this.#view;
    const before = this.#early.at(-1)?.sequence ?? applied.sequence;
    if (block.kind !== 'events' || block.sequence !== before + 1 || this.#mayBeCopy(block)) return false;
    // An event adds one channel at most.
    const channelsMost = channelCount + this.#earlyEvents + countOf(block.data);
    return channelsMost <= applied.channelsMax && isUnconditional(block.data);
  }

  #mayBeCopy({ id }: Block): boolean {
    const { incarnation, number } = parseBlockId(id);
    const newest = this.#writers.get(incarnation);
    return newest === 0 || number <= newest;
  }

  #knows({ id }: Block): boolean {
    return this.#writers.get(parseBlockId(id).incarnation) > 0;
  }

  #addWriter({ id }: Block): void {
    const { incarnation, number } = parseBlockId(id);
    if (number > this.#writers.get(incarnation)) this.#writers.set(incarnation, number);
  }
}
