import { crc32 } from 'node:zlib';
import type { EraseOrder, Position, StoredRecord, TrimOrder } from '../../core/ports.ts';
import { decodeBatch, type RecordBatch } from '../shared/batch-codec.ts';
import type { Block, BlockKind } from './block.ts';
import { decodeIdentityCommand, isKnownCommand } from './identity-command.ts';
import { applyIdentity, HAS_ERASED, type IdentityRows } from './identity-state.ts';
import type { BlockEffect, BlockOutcome, NotAppended, ViewState } from './log-view.ts';
import { decodeSubscriptionCommand, isKnownSubscriptionCommand } from './subscription-command.ts';
import { applySubscriptions, type SubscriptionRows } from './subscription-state.ts';

/**
 * How a block changes a view, the same in every home. The homes carry out appends and trims, and
 * this file decides the rest: copies of blocks, the epoch, the hash.
 */
export interface ViewStore {
  readonly head: Position;
  readonly channels: number;
  append(
    batch: RecordBatch,
    channelsMax: number,
  ): { readonly firstPosition: Position; readonly notAppended: NotAppended };
  trim(orders: readonly TrimOrder[], nowMs: number): { readonly removed: number; readonly more: boolean };
  /** Returns the number of erased events. */
  erase(order: EraseOrder): number;
}

/** What a view has besides its log. */
export interface ViewTables {
  readonly writers: WriterNumbers;
  readonly identity: IdentityRows;
  readonly subscriptions: SubscriptionRows;
}

/** The newest block of each hub process that a view has applied. It is part of the view. */
export interface WriterNumbers {
  /** The number of the process's newest block. 0: none. */
  get(incarnation: string): number;
  set(incarnation: string, number: number, sequence: number): void;
}

/**
 * Hub processes whose newest block is remembered. The one whose last block is the oldest is
 * forgotten first: no copy of its blocks comes after so many others.
 */
export const WRITERS_MAX = 1_000;

/** In memory, the process with the oldest last block first. */
export class MemoryWriterNumbers implements WriterNumbers {
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

export const EMPTY_VIEW: ViewState = {
  sequence: 0,
  id: '',
  epoch: '',
  epochStart: 0,
  channelsMax: 0,
  hash: 0,
};

/** The data of a `genesis`: the first block of a journal. */
export interface Genesis {
  readonly format: number;
  readonly epoch: string;
  readonly channelsMax: number;
}

/** The data of a `trim`. */
export interface TrimCommand {
  readonly orders: readonly TrimOrder[];
  readonly nowMs: number;
}

/** The data of an `erase`. In another epoch the positions may be of other events. */
export interface EraseCommand extends EraseOrder {
  readonly epoch: string;
}

/**
 * The data of an `epoch`: after a rollback, several hubs may order a new one. The first order
 * holds; the others have a `from` that is not the epoch any more.
 */
export interface EpochCommand {
  readonly from: string;
  readonly to: string;
}

/** The format of blocks that this version writes, and the newest one that it reads. */
export const BLOCK_FORMAT = 1;

const KINDS: ReadonlySet<string> = new Set<BlockKind>([
  'genesis',
  'events',
  'trim',
  'erase',
  'epoch',
  'identity',
  'subscriptions',
]);

/**
 * A hub that skipped a block of a later version would differ from the others, so it stops there.
 * @throws Error
 */
export function checkBlock({ kind, sequence, data }: Block): void {
  const isKnown =
    KINDS.has(kind) &&
    (kind !== 'genesis' || parse<Genesis>(data).format <= BLOCK_FORMAT) &&
    (kind !== 'identity' || isKnownCommand(data)) &&
    (kind !== 'subscriptions' || isKnownSubscriptionCommand(data));
  if (kind === 'sealed') throw new Error(`block ${sequence} is sealed, and cluster.sealKeyFile does not have its key`);
  if (!isKnown) throw new Error(`block ${sequence} (${kind}) is of a later version of the hub: upgrade this one`);
}

/** @throws the error of the store */
export function applyBlock(
  state: ViewState,
  block: Block,
  store: ViewStore,
  tables: ViewTables,
): { readonly state: ViewState; readonly outcome: BlockOutcome } {
  const effect = isCopy(block, tables.writers) ? { kind: 'nothing' as const } : effectOf(state, block, store, tables);
  const removed = effect.kind === 'trimmed' || effect.kind === 'erased' ? effect.removed : 0;
  const summary = `${state.hash} ${block.sequence} ${block.id} ${store.head} ${store.channels} ${removed}`;
  const hash = crc32(summary + tablesSummary(effect, tables));
  const changed = 'changes' in effect ? effect.changes : {};
  return {
    state: { ...state, ...changed, sequence: block.sequence, id: block.id, hash },
    outcome: outcomeOf(effect, hash),
  };
}

/** With the changes of the state that only this file makes. */
type Effect =
  | Exclude<BlockEffect, { readonly kind: 'epoch' }>
  | { readonly kind: 'epoch'; readonly epoch: string; readonly changes: Partial<ViewState> };

function outcomeOf(effect: Effect, hash: number): BlockOutcome {
  return effect.kind === 'epoch' ? { kind: 'epoch', epoch: effect.epoch, hash } : { ...effect, hash };
}

/** What a command did to tables besides the log. */
function tablesSummary(effect: Effect, { identity }: ViewTables): string {
  switch (effect.kind) {
    case 'identity':
      return ` ${effect.refusal ?? 'applied'} ${identity.count('key')} ${identity.count('revocation')}`;
    case 'subscriptions':
      return ` ${effect.isRefused} ${effect.lease.owner} ${effect.lease.term} ${effect.rows}`;
    default:
      return '';
  }
}

/** The journal drops copies of two minutes; a view drops all of them. */
function isCopy({ id, sequence }: Block, writers: WriterNumbers): boolean {
  const { incarnation, number } = parseBlockId(id);
  if (number <= writers.get(incarnation)) return true;
  writers.set(incarnation, number, sequence);
  return false;
}

function effectOf(
  state: ViewState,
  { kind, data, sequence }: Block,
  store: ViewStore,
  { identity, subscriptions }: ViewTables,
): Effect {
  switch (kind) {
    case 'events':
      return { kind: 'appended', ...store.append(data, state.channelsMax) };
    case 'trim': {
      const { orders, nowMs } = parse<TrimCommand>(data);
      return { kind: 'trimmed', orders, ...store.trim(orders, nowMs) };
    }
    case 'erase': {
      const { epoch, ...order } = parse<EraseCommand>(data);
      if (state.epoch !== epoch) return { kind: 'nothing' };
      identity.put('note', HAS_ERASED, '');
      return { kind: 'erased', order, removed: store.erase(order) };
    }
    case 'genesis': {
      const { epoch, channelsMax } = parse<Genesis>(data);
      if (state.epoch !== '') return { kind: 'nothing' };
      return { kind: 'epoch', epoch, changes: { epoch, epochStart: 0, channelsMax } };
    }
    case 'epoch': {
      const { from, to } = parse<EpochCommand>(data);
      if (state.epoch !== from) return { kind: 'nothing' };
      return { kind: 'epoch', epoch: to, changes: { epoch: to, epochStart: store.head } };
    }
    case 'identity':
      return { kind, refusal: applyIdentity(identity, decodeIdentityCommand(data), sequence) };
    case 'subscriptions':
      return { kind, ...applySubscriptions(subscriptions, decodeSubscriptionCommand(data)) };
    default:
      throw new Error(`unchecked block of the kind ${kind}`);
  }
}

/** The order of an `erase` block. */
export function eraseOrderOf({ data }: Block): EraseOrder {
  return parse<EraseCommand>(data);
}

/** The epoch that a block begins, if its order takes effect. A mark begins none. */
export function epochOf({ kind, data }: Block): string | undefined {
  if (kind === 'genesis') return parse<Genesis>(data).epoch;
  if (kind !== 'epoch') return undefined;
  const { to } = parse<EpochCommand>(data);
  return to === '-' ? undefined : to;
}

/**
 * The orders of a `trim` block. A copy of an earlier block repeats orders that were carried out.
 */
export function trimOrdersOf({ data }: Block): readonly TrimOrder[] {
  return parse<TrimCommand>(data).orders;
}

/** The two parts of a block's id. The incarnation has no hyphen. */
export function parseBlockId(id: string): { readonly incarnation: string; readonly number: number } {
  const hyphen = id.indexOf('-');
  return { incarnation: id.slice(0, hyphen), number: Number(id.slice(hyphen + 1)) };
}

export function commandBytes(command: Genesis | TrimCommand | EraseCommand | EpochCommand): Uint8Array {
  return Buffer.from(JSON.stringify(command));
}

/** Hubs of this cluster alone write blocks, so their form is not checked. */
function parse<Command>(data: Uint8Array): Command {
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as Command;
}

/**
 * The events that blocks after a sequence have appended, with their positions. Bodies are views of
 * the blocks.
 */
export function appliedRecords(
  blocks: readonly Block[],
  outcomes: readonly BlockEffect[],
  after: number,
): readonly StoredRecord[] {
  const stored: StoredRecord[] = [];
  for (const [at, { data, sequence }] of blocks.entries()) {
    const outcome = outcomes[at];
    if (outcome?.kind !== 'appended' || sequence <= after) continue;
    const { notAppended } = outcome;
    let position = outcome.firstPosition;
    let index = 0;
    let next = 0;
    for (const { channel, type, timeMs, body, trace } of decodeBatch(data)) {
      if (notAppended[next]?.[0] === index++) next++;
      else stored.push({ position: position++, channel, type, timeMs, body, trace });
    }
  }
  return stored;
}
