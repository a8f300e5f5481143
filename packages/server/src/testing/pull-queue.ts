import type { NewSubscription } from '../subscriptions/state/ports.ts';
import type { LeasedEvent, PullOptions } from '../subscriptions/state/pull-service.ts';
import type { SubscriptionKit } from './subscription-kit.ts';

/** The options of a pull, unless a test gives others. */
export function newPullSubscription(parts: Partial<NewSubscription> = {}): NewSubscription {
  return {
    owner: { key: undefined, user: undefined },
    description: '',
    metadata: {},
    channels: ['jobs.>'],
    types: undefined,
    filter: undefined,
    ordering: 'none',
    ratePerSecond: undefined,
    concurrencyMax: 1000,
    delivery: { kind: 'pull', leaseMs: 30_000, deliveriesMax: 3 },
    endsMs: undefined,
    idempotency: undefined,
    cursor: 0,
    isTrusted: true,
    ...parts,
  };
}

/** A queue in a kit, as its workers use it. */
export interface PullQueue {
  readonly id: string;
  pull(options?: Partial<PullOptions>, signal?: AbortSignal): Promise<readonly LeasedEvent[]>;
  acknowledge(...events: readonly LeasedEvent[]): readonly string[];
}

export async function openPullQueue(kit: SubscriptionKit, parts: Partial<NewSubscription> = {}): Promise<PullQueue> {
  const { subscription } = await kit.engine.subscriptions.create(newPullSubscription(parts));
  return pullQueueOf(kit, subscription.definition.id);
}

export function pullQueueOf({ engine: deliveries }: SubscriptionKit, id: string): PullQueue {
  const { pullService: pulls } = deliveries;
  return {
    id,
    pull: (options = {}, signal = new AbortController().signal) =>
      pulls.pull(id, { countMax: 10, bytesMax: 1e6, waitMs: 0, leaseMs: undefined, ...options }, signal),
    acknowledge: (...events) =>
      pulls.acknowledge(
        id,
        events.map(({ lease }) => lease),
      ),
  };
}

/** The published data, as `Kit.publish` received it. */
export function dataOf({ body }: LeasedEvent): unknown {
  return (JSON.parse(`{${Buffer.from(body).toString()}`) as { readonly data: unknown }).data;
}
