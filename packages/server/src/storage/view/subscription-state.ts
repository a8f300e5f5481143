import { encodeCursor } from '@polycast/protocol';
import type { OpenEvent, SubscriptionDefinition, SubscriptionStatus } from '../../subscriptions/state/definition.ts';
import type { DeadLetter, EventPosition, Replay } from '../../subscriptions/state/ports.ts';
import type { StoredSubscription } from '../../subscriptions/state/subscription-store.ts';
import type { LeaseAction, StoredChange, SubscriptionCommand } from './subscription-command.ts';

/**
 * How a command changes the subscriptions in a view, the same in every home. A home stores rows,
 * and this file decides: who has the lease, and that nobody else changes anything.
 */
export interface SubscriptionRows {
  get(kind: SubscriptionRowKind, subscription: string, name: string): string | undefined;
  put(kind: SubscriptionRowKind, subscription: string, name: string, value: string): void;
  /** The number of removed rows: 0 or 1. */
  delete(kind: SubscriptionRowKind, subscription: string, name: string): number;
  /** Removes all rows of a subscription. Their number. */
  deleteAll(subscription: string): number;
  /** Rows of a subscription with names after `after`, in their order. */
  page(kind: SubscriptionRowKind, subscription: string, after: string, limit: number): readonly string[];
  count(kind: SubscriptionRowKind, subscription: string): number;
  /** Subscriptions with a status and with ids after `after`, in their order. */
  ids(after: string, limit: number): readonly string[];
}

/** The lease and the epoch have no subscription and no name. */
export type SubscriptionRowKind = 'lease' | 'epoch' | 'definition' | 'status' | 'open' | 'replay' | 'dead_letter';

/**
 * The lease on subscriptions: one hub works on all of them. Example: hub A has the lease in term 3,
 * and is killed. Hub B challenges it five times, and has it in term 4.
 */
export interface SubscriptionLease {
  /** Empty: no hub has it. */
  readonly owner: string;
  /** Rises with each owner. */
  readonly term: number;
}

interface LeaseRow extends SubscriptionLease {
  /** The number of challenges of each hub since the last command of the owner. */
  readonly challenges: Readonly<Record<string, number>>;
}

/** The challenge of one hub that takes the lease. */
export const CHALLENGES_MIN = 5;

export const NO_LEASE: SubscriptionLease = { owner: '', term: 0 };

/** What a command did. */
export interface SubscriptionEffect {
  /** The lease after it. */
  readonly lease: SubscriptionLease;
  /** The command has no effect: another hub has the lease, or another term holds. */
  readonly isRefused: boolean;
  /** Rows that were written or removed. Views that differ show it here. */
  readonly rows: number;
  /** The hub that sent the command. */
  readonly hub: string;
}

export function applySubscriptions(rows: SubscriptionRows, command: SubscriptionCommand): SubscriptionEffect {
  const { hub } = command;
  const lease = leaseRow(rows);
  if (command.action !== 'change') {
    const next = steppedLease(lease, hub, command.term, command.action);
    if (next !== undefined && next !== lease) rows.put('lease', '', '', JSON.stringify(next));
    const { owner, term } = next ?? lease;
    return { lease: { owner, term }, isRefused: next === undefined, rows: 0, hub };
  }
  const { owner, term } = lease;
  if (owner !== hub || term !== command.term) return { lease: { owner, term }, isRefused: true, rows: 0, hub };
  // The owner works.
  if (Object.keys(lease.challenges).length > 0) rows.put('lease', '', '', JSON.stringify({ ...lease, challenges: {} }));
  let changed = 0;
  for (const change of command.changes) changed += applyChange(rows, change);
  return { lease: { owner, term }, isRefused: false, rows: changed, hub };
}

export function readLease(rows: SubscriptionRows): SubscriptionLease {
  const { owner, term } = leaseRow(rows);
  return { owner, term };
}

/** The epoch of the log that the positions are of. */
export function readEpoch(rows: SubscriptionRows): string | undefined {
  return rows.get('epoch', '', '');
}

/** Subscriptions with ids after `after`, in their order. */
export function readSubscriptions(rows: SubscriptionRows, after: string, limit: number): readonly StoredSubscription[] {
  return rows.ids(after, limit).map((id) => ({
    definition: JSON.parse(rows.get('definition', id, '') as string) as SubscriptionDefinition,
    status: restored(JSON.parse(rows.get('status', id, '') as string) as SubscriptionStatus, STATUS_ABSENT),
    open: rows.page('open', id, '', ALL).map((text) => restored(JSON.parse(text) as OpenEvent, OPEN_ABSENT)),
    replays: rows
      .page('replay', id, '', ALL)
      .map((text) => restored(JSON.parse(text) as Replay, REPLAY_ABSENT))
      .filter(({ isDone }) => !isDone),
    deadLetters: rows.count('dead_letter', id),
  }));
}

export function readDeadLetters(
  rows: SubscriptionRows,
  subscription: string,
  after: EventPosition | undefined,
  limit: number,
): readonly DeadLetter[] {
  return rows
    .page('dead_letter', subscription, after === undefined ? '' : eventName(after), limit)
    .map((text) => JSON.parse(text) as DeadLetter);
}

/** The changes that make all subscriptions from nothing: to move them to another home. */
export function allChanges(
  epoch: string | undefined,
  subscriptions: readonly StoredSubscription[],
  deadLetters: readonly DeadLetter[],
): readonly StoredChange[] {
  return [
    ...(epoch === undefined ? [] : [{ kind: 'epoch', epoch } as const]),
    ...subscriptions.flatMap(({ definition, status, open, replays }): readonly StoredChange[] => {
      const subscription = definition.id;
      return [
        { kind: 'definition', definition },
        { kind: 'status', subscription, status },
        ...open.map((event) => ({ kind: 'open', subscription, event }) as const),
        ...replays.map((replay) => ({ kind: 'replay', subscription, replay }) as const),
      ];
    }),
    ...deadLetters.map((deadLetter) => ({ kind: 'dead_letter', deadLetter }) as const),
  ];
}

/** The changes that make what the rows have. */
export function readAllChanges(rows: SubscriptionRows): readonly StoredChange[] {
  const subscriptions = readSubscriptions(rows, '', ALL);
  const deadLetters = subscriptions.flatMap(({ definition: { id } }) => readDeadLetters(rows, id, undefined, ALL));
  return allChanges(readEpoch(rows), subscriptions, deadLetters);
}

/** `undefined`: the step is not possible. The same object: nothing changes. */
function steppedLease(lease: LeaseRow, hub: string, term: number, action: LeaseAction): LeaseRow | undefined {
  if (lease.term !== term) return undefined;
  switch (action) {
    case 'take':
      return lease.owner === '' ? { owner: hub, term: term + 1, challenges: {} } : undefined;
    case 'renew':
      if (lease.owner !== hub) return undefined;
      return Object.keys(lease.challenges).length === 0 ? lease : { ...lease, challenges: {} };
    case 'release':
      return lease.owner === hub ? { owner: '', term, challenges: {} } : undefined;
    case 'challenge': {
      if (lease.owner === '' || lease.owner === hub) return undefined;
      const count = (lease.challenges[hub] ?? 0) + 1;
      if (count >= CHALLENGES_MIN) return { owner: hub, term: term + 1, challenges: {} };
      return { ...lease, challenges: { ...lease.challenges, [hub]: count } };
    }
  }
}

function leaseRow(rows: SubscriptionRows): LeaseRow {
  const text = rows.get('lease', '', '');
  return text === undefined ? { ...NO_LEASE, challenges: {} } : (JSON.parse(text) as LeaseRow);
}

/** The number of changed rows. A subscription that was removed, or never existed, has none. */
export function applyChange(rows: SubscriptionRows, change: StoredChange): number {
  if (change.kind === 'epoch') return put(rows, 'epoch', '', '', change.epoch);
  if (change.kind === 'definition') return putJson(rows, 'definition', change.definition.id, '', change.definition);
  const subscription = change.kind === 'dead_letter' ? change.deadLetter.subscription : change.subscription;
  if (rows.get('definition', subscription, '') === undefined) return 0;
  switch (change.kind) {
    case 'status':
      return putJson(rows, 'status', subscription, '', change.status);
    case 'removed':
      return rows.deleteAll(subscription);
    case 'open':
      return putJson(rows, 'open', subscription, positionName(change.event.position), change.event);
    case 'closed':
      return rows.delete('open', subscription, positionName(change.position));
    case 'replay':
      return putJson(rows, 'replay', subscription, change.replay.id, change.replay);
    case 'replay_gone':
      return rows.delete('replay', subscription, change.id);
    case 'dead_letter':
      return putJson(rows, 'dead_letter', subscription, eventName(change.deadLetter), change.deadLetter);
    case 'dead_letter_gone':
      return rows.delete('dead_letter', subscription, eventName(change));
  }
}

function putJson(
  rows: SubscriptionRows,
  kind: SubscriptionRowKind,
  subscription: string,
  name: string,
  value: object,
): number {
  return put(rows, kind, subscription, name, JSON.stringify(value));
}

function put(
  rows: SubscriptionRows,
  kind: SubscriptionRowKind,
  subscription: string,
  name: string,
  value: string,
): number {
  rows.put(kind, subscription, name, value);
  return 1;
}

/** Names sort as positions do. */
function positionName(position: number): string {
  return String(position).padStart(POSITION_DIGITS, '0');
}

/** Of the oldest log first. */
function eventName({ epoch, position }: EventPosition): string {
  return encodeCursor(epoch, position);
}

/** JSON has no `undefined`, and the code reads objects of one shape. */
function restored<Value extends object>(value: Value, absent: Partial<Value>): Value {
  return { ...absent, ...value };
}

const STATUS_ABSENT = { failingSinceMs: undefined, restUntilMs: undefined, lost: undefined };
const OPEN_ABSENT = { lease: undefined, heldAfter: undefined };
const REPLAY_ABSENT = { channel: undefined, lost: undefined };
/** The digits of the largest position. */
const POSITION_DIGITS = 16;
const ALL = Number.MAX_SAFE_INTEGER;
