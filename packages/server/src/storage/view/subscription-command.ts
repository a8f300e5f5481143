import type { StoreChange } from '../../subscriptions/state/subscription-store.ts';

/**
 * The data of a `subscriptions` block: a step of the lease on subscriptions, or changes of the hub
 * that has the lease. Each names the hub and the term that it believes in, and has no effect if
 * another one holds. Example: `{"hub":"mf8x","term":3,"action":"renew"}`.
 */
export type SubscriptionCommand = LeaseCommand | ChangeCommand;

/** The term of a `take` is that of the lease without an owner, or of the owner that is silent. */
export interface LeaseCommand {
  readonly hub: string;
  readonly term: number;
  readonly action: LeaseAction;
}

export interface ChangeCommand {
  readonly hub: string;
  readonly term: number;
  readonly action: 'change';
  readonly changes: readonly StoredChange[];
}

/** Attempts are samples in the memory of the hub that works. */
export type StoredChange = Exclude<StoreChange, { readonly kind: 'attempt' }>;

/**
 * - `take`: the lease has no owner.
 * - `renew`: the owner still works.
 * - `release`: the owner gives the lease away.
 * - `challenge`: another hub has not heard the owner for a while.
 */
export type LeaseAction = (typeof LEASE_ACTIONS)[number];

const LEASE_ACTIONS = ['take', 'renew', 'release', 'challenge'] as const;
const ACTIONS: ReadonlySet<string> = new Set([...LEASE_ACTIONS, 'change']);
const CHANGES: ReadonlySet<string> = new Set<StoredChange['kind']>([
  'definition',
  'status',
  'removed',
  'open',
  'closed',
  'replay',
  'replay_gone',
  'dead_letter',
  'dead_letter_gone',
  'epoch',
]);

export function encodeSubscriptionCommand(command: SubscriptionCommand): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(JSON.stringify(command)));
}

/** Hubs of this cluster alone write commands, so their form is not checked. */
export function decodeSubscriptionCommand(data: Uint8Array): SubscriptionCommand {
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as SubscriptionCommand;
}

/** Whether this version carries out all of a command. */
export function isKnownSubscriptionCommand(data: Uint8Array): boolean {
  const command = decodeSubscriptionCommand(data);
  if (!ACTIONS.has(command.action)) return false;
  return command.action !== 'change' || command.changes.every(({ kind }) => CHANGES.has(kind));
}
