import type {
  AppendOutcome,
  ChannelQuery,
  CheckedRange,
  CountQuery,
  EraseOrder,
  Position,
  ReadQuery,
  TrimOrder,
} from '../../../core/ports.ts';
import type { ListProgress } from '../../shared/channel-directory.ts';
import type { DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type { Unavailable } from '../failure.ts';
import type { BlockOutcome, ViewState } from '../../view/log-view.ts';
import type { PackedBlocks } from './block-buffer.ts';
import type { DatabaseMismatch } from './generation-file.ts';

/**
 * Options of the writer's thread. This file defines the messages between the main thread and the
 * two threads of a log.
 */
export interface WriterOptions {
  readonly folder: string;
  /** Only of a view: the bound on entries of its audit log. */
  readonly auditEntriesMax?: number;
  readonly channelsMax: number;
  readonly nowMs: number;
  readonly chance: number;
}

export interface ReaderOptions {
  readonly folder: string;
}

export type WriterRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'append'; readonly batch: ArrayBuffer }
  | { readonly kind: 'trim'; readonly orders: readonly TrimOrder[]; readonly nowMs: number }
  | { readonly kind: 'erase'; readonly order: EraseOrder }
  | { readonly kind: 'overwrite' }
  | { readonly kind: 'channels'; readonly query: ChannelQuery; readonly progress: ListProgress | undefined }
  /** Only for the writer of a view (`view-worker.ts`). */
  | ({ readonly kind: 'apply'; readonly isBehind: boolean } & PackedBlocks)
  | { readonly kind: 'end_build' }
  | { readonly kind: 'identity' }
  | { readonly kind: 'audit'; readonly before: number; readonly limit: number }
  | { readonly kind: 'subscription_state' }
  | { readonly kind: 'subscriptions'; readonly after: string; readonly limit: number }
  | { readonly kind: 'dead_letters'; readonly subscription: string; readonly query: DeadLettersQuery }
  | { readonly kind: 'probe' }
  | { readonly kind: 'close' };

export type ReaderRequest =
  | { readonly kind: 'open' }
  /** Only of a view: the newest position that its file has. */
  | { readonly kind: 'head' }
  | { readonly kind: 'read'; readonly query: ReadQuery }
  | { readonly kind: 'count'; readonly query: CountQuery }
  | { readonly kind: 'check'; readonly after: Position; readonly through: Position }
  | { readonly kind: 'close' };

/** The result of one scrub step of the reader. */
export interface CheckedPage extends CheckedRange {
  /** Events up to this position are damaged. Equal to the start of the step when none is. */
  readonly corruptThrough: Position;
}

/** The state of a log at its opening. */
export interface OpenedLog {
  readonly epoch: string;
  readonly epochStart: Position;
  readonly head: Position;
  /** Why the log can only be read. Undefined when it can be written. */
  readonly unavailable: Unavailable | undefined;
  /** Why the log got a new epoch, if it did. */
  readonly mismatch: DatabaseMismatch | undefined;
  /** The memory of the `WriterCounters`. */
  readonly counters: SharedArrayBuffer;
  /** Only of a view: what it has applied. */
  readonly applied?: ViewState;
}

/** What a view did with blocks. */
export interface AppliedBlocks {
  readonly state: ViewState;
  readonly outcomes: readonly BlockOutcome[];
  readonly head: Position;
}

/** With the buffer of the blocks. */
export type AppliedAnswer = readonly [AppliedBlocks, ArrayBuffer];

/**
 * Appended records have consecutive positions from `firstPosition` on. `notAppended` has the
 * outcomes of the others, by their index in the batch.
 */
export interface Committed {
  readonly firstPosition: Position;
  readonly notAppended: readonly (readonly [index: number, outcome: AppendOutcome])[];
}

/**
 * `Committed` as the writer's thread sends it: only the first position where all records were
 * appended. Each commit sends one, and a number takes less CPU time than an object.
 */
export type CommittedMessage = Committed | Position;

export interface Trimmed {
  readonly removed: number;
  readonly more: boolean;
}
