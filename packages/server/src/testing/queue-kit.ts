import type { NewSubscription, LeasedEvent, PullWish } from '../core/subscription/ports.ts';
import type { Kit } from './delivery-kit.ts';

/** What is wished for unless a test says otherwise. */
export function pullWishes(parts: Partial<NewSubscription> = {}): NewSubscription {
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

/** A queue in a kit, as its workers see it. */
export interface Queue {
  readonly id: string;
  pull(wish?: Partial<PullWish>, signal?: AbortSignal): Promise<readonly LeasedEvent[]>;
  acknowledge(...events: readonly LeasedEvent[]): readonly string[];
}

export async function openQueue(kit: Kit, parts: Partial<NewSubscription> = {}): Promise<Queue> {
  const { subscription } = await kit.deliveries.desk.create(pullWishes(parts), { kind: 'operator' });
  return queueOf(kit, subscription.definition.id);
}

export function queueOf({ deliveries }: Kit, id: string): Queue {
  const { pulls } = deliveries.desk;
  return {
    id,
    pull: (wish = {}, signal = new AbortController().signal) =>
      pulls.pull(id, { countMax: 10, bytesMax: 1e6, waitMs: 0, leaseMs: undefined, ...wish }, signal),
    acknowledge: (...events) =>
      pulls.acknowledge(
        id,
        events.map(({ lease }) => lease),
      ),
  };
}

/** What was published, as `Kit.publish` was given it. */
export function dataOf({ body }: LeasedEvent): unknown {
  return (JSON.parse(`{${Buffer.from(body).toString()}`) as { readonly data: unknown }).data;
}
