import type { AuditEntry, CommandRefusal } from '../../core/access/identity-store.ts';
import type {
  AppendOutcome,
  EraseOrder,
  Log,
  LogErasing,
  LogState,
  PackedEvents,
  Position,
  TrimOrder,
} from '../../core/ports.ts';
import type { Block, BlockAddress } from './block.ts';
import type { ViewIdentity } from './identity-state.ts';
import type { DeadLetter, DeadLettersQuery } from '../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../subscriptions/state/subscription-store.ts';
import type { SubscriptionEffect, SubscriptionLease } from './subscription-state.ts';

/**
 * A view is one hub's own copy of what the journal says, in one of the homes: SQLite files or
 * memory. It changes by blocks alone. Two views that have applied the same blocks are equal.
 * Example: a hub starts with the view at block 900, and applies block 901 and later ones.
 */
export interface LogView extends Omit<Log, 'append' | 'trim' | 'erasing' | 'shared' | 'follow'> {
  readonly state: LogState;
  /**
   * What has been applied, durably or not: a view that lost its newest blocks applies them again.
   */
  readonly applied: ViewState;
  /**
   * Applies blocks in order, all or none of them. Each must follow the one before.
   * @param isBehind more blocks wait already, so work that later ones would repeat may wait
   * @param passedOnThrough the follower has the events of blocks up to this sequence
   * @throws PolycastError `log_unavailable`, `log_full`. Then `applied` says whether the blocks
   * were applied all the same, and the outcomes are lost.
   */
  apply(blocks: readonly Block[], isBehind?: boolean, passedOnThrough?: number): Promise<readonly BlockOutcome[]>;
  /**
   * The view has caught up with its journal. One that began with nothing survives a crash from now
   * on; before, it was to be built again. @throws PolycastError as `apply`
   */
  endBuild(): Promise<void>;
  /** A change has failed before `endBuild`, so the view has to be opened again, and built anew. */
  readonly isLost: boolean;
  /**
   * Nobody needs a block any more that was applied, except for this view and its follower. If they
   * do not need it either, the memory of its events is free at once.
   */
  release(block: Block): void;
  /** As `SharedLog`. */
  followPacked(listener: (events: PackedEvents) => void): void;
  /** The number of channels. While blocks are applied, it may count some of theirs. */
  readonly channelCount: number;
  /**
   * One step for the files of this view, as `LogErasing.overwrite`.
   * `done` at once where nothing was erased.
   */
  overwrite: LogErasing['overwrite'];
  /** Keys and revocations, as of the newest block. */
  identity(): Promise<ViewIdentity>;
  /** At most `limit` entries of the audit log with ids below `before`, the newest first. */
  auditPage(before: number, limit: number): Promise<readonly AuditEntry[]>;
  /** Who works on subscriptions, and the epoch of the log that their positions are of. */
  subscriptionState(): Promise<ViewSubscriptionState>;
  /** Subscriptions with ids after `after`, in their order. */
  subscriptions(after: string, limit: number): Promise<readonly StoredSubscription[]>;
  deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]>;
}

export interface ViewSubscriptionState {
  readonly lease: SubscriptionLease;
  readonly epoch: string | undefined;
}

/** The state of a view, besides its channels and events. It is stored in each commit. */
export interface ViewState extends BlockAddress {
  /** Empty until the genesis is applied. */
  readonly epoch: string;
  readonly epochStart: Position;
  readonly channelsMax: number;
  /**
   * A hash over all blocks so far and what they did: positions, numbers of channels and of removed
   * events. Views that differ at the same sequence show it here.
   */
  readonly hash: number;
}

/** What a block did, and the state of the view after it. */
export type BlockOutcome = { readonly hash: number } & BlockEffect;

/** What a block did. */
export type BlockEffect =
  | { readonly kind: 'appended'; readonly firstPosition: Position; readonly notAppended: NotAppended }
  | {
      readonly kind: 'trimmed';
      readonly orders: readonly TrimOrder[];
      readonly removed: number;
      readonly more: boolean;
    }
  | { readonly kind: 'erased'; readonly order: EraseOrder; readonly removed: number }
  | { readonly kind: 'epoch'; readonly epoch: string }
  | { readonly kind: 'identity'; readonly refusal: CommandRefusal | undefined }
  | ({ readonly kind: 'subscriptions' } & SubscriptionEffect)
  /** A copy of a block that was applied before, or a command that did not hold any more. */
  | { readonly kind: 'nothing' };

/**
 * Records of a block that were not appended, by their index. The others have consecutive positions.
 */
export type NotAppended = readonly (readonly [index: number, outcome: AppendOutcome])[];
