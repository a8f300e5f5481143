import type {
  AppendOutcome,
  ChannelQuery,
  CheckedRange,
  ChannelState,
  Position,
  ReadQuery,
  TrimOrder,
} from '../../../core/ports.ts';
import type { Unavailable } from '../failure.ts';
import type { DatabaseMismatch } from './generation-file.ts';

/** What the threads of one log say to each other. */
export interface WriterOptions {
  readonly folder: string;
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
  | { readonly kind: 'channels'; readonly query: ChannelQuery }
  | { readonly kind: 'probe' }
  | { readonly kind: 'close' };

export type ReaderRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'read'; readonly query: ReadQuery }
  | { readonly kind: 'check'; readonly after: Position; readonly through: Position }
  | { readonly kind: 'close' };

/** One step of a scrub, by the reader. */
export interface CheckedPage extends CheckedRange {
  /** Events up to here are damaged; where the step began, when none is. */
  readonly corruptThrough: Position;
}

/** Where a log stands when it has been opened. */
export interface OpenedLog {
  readonly epoch: string;
  readonly epochStart: Position;
  readonly head: Position;
  /** Why it can be read and not be written, if so. */
  readonly unavailable: Unavailable | undefined;
  /** Why this log has a new epoch, if it has. */
  readonly mismatch: DatabaseMismatch | undefined;
  /** What the writer counts: see `WriterFigures`. */
  readonly counters: SharedArrayBuffer;
}

/** The records that were appended have the positions from `first` on; the others stand in `others`, by their index. */
export interface Committed {
  readonly firstPosition: Position;
  readonly notAppended: readonly (readonly [index: number, outcome: AppendOutcome])[];
}

export interface Trimmed {
  readonly removed: number;
  readonly more: boolean;
}

export type Channels = readonly ChannelState[];
