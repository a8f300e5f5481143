import { PolycastError } from '@polycast/protocol';
import type { AuditEntry } from '../../core/access/identity-store.ts';
import type { LogState, Overwritten, PackedEvents, StoredRecord } from '../../core/ports.ts';
import { packedRecords } from '../../core/unread-events.ts';
import type { Block } from '../view/block.ts';
import {
  auditEntry,
  readIdentity,
  type IdentityRowKind,
  type IdentityRows,
  type ViewIdentity,
} from '../view/identity-state.ts';
import type { DeadLetter, DeadLettersQuery } from '../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../subscriptions/state/subscription-store.ts';
import { readDeadLetters, readEpoch, readLease, readSubscriptions } from '../view/subscription-state.ts';
import { MemorySubscriptionRows } from './memory-subscription-rows.ts';
import { applyBlock, EMPTY_VIEW, MemoryWriterNumbers, type ViewStore, type ViewTables } from '../view/view-state.ts';
import type { BlockOutcome, LogView, ViewState, ViewSubscriptionState } from '../view/log-view.ts';
import { appendBatch } from '../shared/batch-codec.ts';
import { MemoryLog } from './memory-log.ts';

/** A view in memory. Each start applies the whole journal. */
export function createMemoryView(auditEntriesMax: number): LogView {
  return new MemoryView(auditEntriesMax);
}

class MemoryView extends MemoryLog implements LogView {
  #applied: ViewState = EMPTY_VIEW;
  readonly #tables: ViewTables & { readonly identity: MemoryIdentityRows };

  constructor(auditEntriesMax: number) {
    // Views on a disk accept keys without this limit, and all views must decide alike.
    super({ keysBytesMax: Infinity });
    this.#tables = {
      writers: new MemoryWriterNumbers(),
      identity: new MemoryIdentityRows(auditEntriesMax),
      subscriptions: new MemorySubscriptionRows(),
    };
  }

  get applied(): ViewState {
    return this.#applied;
  }

  override get state(): LogState {
    const { epoch, epochStart } = this.#applied;
    return { ...super.state, epoch, epochStart };
  }

  async apply(blocks: readonly Block[], _isBehind = false, passedOnThrough = 0): Promise<readonly BlockOutcome[]> {
    // In a later turn, as a thread answers.
    await undefined;
    if (this.isClosed) throw new PolycastError('log_unavailable', 'The log is closed.');
    const stored: StoredRecord[] = [];
    const store = this.#store(stored);
    const outcomes = blocks.map((block) => {
      const { state, outcome } = applyBlock(this.#applied, block, store, this.#tables);
      this.#applied = state;
      if (block.sequence <= passedOnThrough) stored.length = 0;
      return outcome;
    });
    if (outcomes.some(({ kind }) => kind === 'appended')) this.deliver(stored);
    return outcomes;
  }

  async endBuild(): Promise<void> {}

  get isLost(): boolean {
    return false;
  }

  /** The events of this view stay in the memory of their blocks. */
  release(): void {}

  followPacked(listener: (events: PackedEvents) => void): void {
    this.follow((records) => listener(packedRecords(records)));
  }

  async overwrite(): Promise<Overwritten> {
    return 'done';
  }

  async identity(): Promise<ViewIdentity> {
    return readIdentity(this.#tables.identity, this.#applied.sequence);
  }

  async auditPage(before: number, limit: number): Promise<readonly AuditEntry[]> {
    return this.#tables.identity.auditPage(before, limit);
  }

  async subscriptionState(): Promise<ViewSubscriptionState> {
    const { subscriptions } = this.#tables;
    return { lease: readLease(subscriptions), epoch: readEpoch(subscriptions) };
  }

  async subscriptions(after: string, limit: number): Promise<readonly StoredSubscription[]> {
    return readSubscriptions(this.#tables.subscriptions, after, limit);
  }

  async deadLetters(subscription: string, { after, limit }: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    return readDeadLetters(this.#tables.subscriptions, subscription, after, limit);
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
      erase: (order) => this.eraseStep(order),
    };
  }
}

class MemoryIdentityRows implements IdentityRows {
  readonly #rows: Readonly<Record<IdentityRowKind, Map<string, string>>> = {
    key: new Map(),
    revocation: new Map(),
    note: new Map(),
    'login signer': new Map(),
    'portal link': new Map(),
    erasure: new Map(),
    'erased user': new Map(),
  };
  /** Entries as JSON, by their ids. */
  readonly #audit = new Map<number, string>();
  readonly #auditEntriesMax: number;
  #lastAuditId = 0;

  constructor(auditEntriesMax: number) {
    this.#auditEntriesMax = auditEntriesMax;
  }

  get(kind: IdentityRowKind, name: string): string | undefined {
    return this.#rows[kind].get(name);
  }

  put(kind: IdentityRowKind, name: string, value: string): void {
    this.#rows[kind].set(name, value);
  }

  delete(kind: IdentityRowKind, name: string): void {
    this.#rows[kind].delete(name);
  }

  count(kind: IdentityRowKind): number {
    return this.#rows[kind].size;
  }

  all(kind: IdentityRowKind): readonly string[] {
    return [...this.#rows[kind].values()];
  }

  addAudit(entry: string): void {
    const id = ++this.#lastAuditId;
    this.#audit.set(id, entry);
    this.#audit.delete(id - this.#auditEntriesMax);
  }

  auditPage(before: number, limit: number): readonly AuditEntry[] {
    const entries: AuditEntry[] = [];
    for (let id = Math.min(before - 1, this.#lastAuditId); entries.length < limit; id--) {
      const text = this.#audit.get(id);
      if (text === undefined) break;
      entries.push(auditEntry(id, text));
    }
    return entries;
  }
}
