import { PolycastError } from '@polycast/protocol';
import type { LogState, StoredRecord } from '../../core/ports.ts';
import type { Block } from '../view/block.ts';
import { applyBlock, EMPTY_VIEW, WRITERS_MAX, type ViewStore, type WriterNumbers } from '../view/view-state.ts';
import type { BlockOutcome, LogView, ViewState } from '../view/log-view.ts';
import { appendBatch } from '../shared/batch-codec.ts';
import { MemoryLog } from './memory-log.ts';

/** A view in memory. Each start applies the whole journal. */
export function createMemoryView(): LogView {
  return new MemoryView();
}

class MemoryView extends MemoryLog implements LogView {
  #applied: ViewState = EMPTY_VIEW;
  readonly #writers = new MemoryWriters();

  constructor() {
    // Views on a disk accept keys without this limit, and all views must decide alike.
    super({ keysBytesMax: Infinity });
  }

  get applied(): ViewState {
    return this.#applied;
  }

  override get state(): LogState {
    const { epoch, epochStart } = this.#applied;
    return { ...super.state, epoch, epochStart };
  }

  async apply(blocks: readonly Block[]): Promise<readonly BlockOutcome[]> {
    // In a later turn, as a thread answers.
    await undefined;
    if (this.isClosed) throw new PolycastError('log_unavailable', 'The log is closed.');
    const stored: StoredRecord[] = [];
    const store = this.#store(stored);
    const outcomes = blocks.map((block) => {
      const { state, outcome } = applyBlock(this.#applied, block, store, this.#writers);
      this.#applied = state;
      return outcome;
    });
    if (outcomes.some(({ kind }) => kind === 'appended')) this.deliver(stored);
    return outcomes;
  }

  #store(stored: StoredRecord[]): ViewStore {
    const head = (): number => this.state.head;
    const channels = (): number => this.channelCount;
    return {
      get head() {
        return head();
      },
      get channels() {
        return channels();
      },
      append: (batch, channelsMax) => {
        const firstPosition = head() + 1;
        const notAppended = appendBatch(batch, (record) => {
          const outcome = this.appendWithin(channelsMax, record, stored);
          return outcome.kind === 'appended' ? undefined : outcome;
        });
        return { firstPosition, notAppended };
      },
      trim: (orders, nowMs) => this.trimStep(orders, nowMs),
    };
  }
}

class MemoryWriters implements WriterNumbers {
  /** The one with the oldest last block first. */
  readonly #numbers = new Map<string, number>();

  get(incarnation: string): number {
    return this.#numbers.get(incarnation) ?? 0;
  }

  set(incarnation: string, number: number): void {
    this.#numbers.delete(incarnation);
    this.#numbers.set(incarnation, number);
    if (this.#numbers.size > WRITERS_MAX) this.#numbers.delete(this.#numbers.keys().next().value as string);
  }
}
