import type { OpenEvent, PullDefinition, SubscriptionStatus } from '../../../subscriptions/state/definition.ts';
import type { Attempt, DeadLetter } from '../../../subscriptions/state/ports.ts';
import type { StoreChange } from '../../../subscriptions/state/subscription-store.ts';

/** The epoch of the log that the samples belong to. */
export const EPOCH = '00tmf894vq';

export function definition(id: string, parts: Partial<PullDefinition> = {}): PullDefinition {
  return {
    id,
    version: 1,
    createdMs: 1_000,
    changedMs: 1_000,
    owner: { key: 'shop', user: undefined },
    description: 'ünï',
    metadata: { team: 'a' },
    channels: ['orders.>'],
    types: undefined,
    filter: { '==': ['$.a', 1] },
    ordering: 'per-channel',
    ratePerSecond: undefined,
    concurrencyMax: 8,
    delivery: { kind: 'pull', leaseMs: 30_000, deliveriesMax: 5 },
    endsMs: undefined,
    idempotency: undefined,
    ...parts,
  };
}

export function statusAt(cursor: number, parts: Partial<SubscriptionStatus> = {}): SubscriptionStatus {
  return {
    state: 'active',
    reason: 'created',
    sinceMs: 1_000,
    cursor,
    failingSinceMs: undefined,
    restUntilMs: undefined,
    lost: undefined,
    ...parts,
  };
}

/** The changes that create a subscription. */
export function creationOf(id: string, cursor = 0): StoreChange[] {
  return [
    { kind: 'definition', definition: definition(id) },
    { kind: 'status', subscription: id, status: statusAt(cursor) },
  ];
}

export function openEvent(position: number, parts: Partial<OpenEvent> = {}): OpenEvent {
  return {
    position,
    channel: 'orders.1',
    attempts: 1,
    dueMs: 2_000,
    lease: undefined,
    heldAfter: undefined,
    ...parts,
  };
}

export function open(subscription: string, position: number, parts: Partial<OpenEvent> = {}): StoreChange {
  return { kind: 'open', subscription, event: openEvent(position, parts) };
}

export function attempt(subscription: string, number: number, parts: Partial<Attempt> = {}): Attempt {
  return {
    subscription,
    number,
    epoch: EPOCH,
    position: number * 10,
    others: [],
    isGap: false,
    count: 1,
    attempt: 1,
    startedMs: 3_000,
    outcome: 'refused_status',
    request: { url: 'https://shop.example/hook', headers: { 'webhook-id': 'x' }, bodyBytes: 12 },
    answer: { status: 500, headers: { server: 'a' }, body: 'no', isCut: false },
    timing: { nameMs: 1, connectMs: 2, tlsMs: 3.5, firstByteMs: 4, totalMs: 5 },
    detail: 'It answered 500.',
    ...parts,
  };
}

export function deadLetter(subscription: string, position: number, epoch: string = EPOCH): DeadLetter {
  return {
    subscription,
    epoch,
    position,
    channel: 'orders.1',
    attempts: 9,
    sinceMs: 4_000,
    outcome: 'timeout',
    detail: 'It took too long.',
  };
}
