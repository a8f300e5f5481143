import type { Order, Publication } from './model/order.ts';
import { STEPS } from './model/steps.ts';
import { pageNowMs } from './wire-feed.ts';

const RETRY_MS = 300;

export interface OrderPublisherOptions {
  /** The average time from one step to the next, in milliseconds, read again at each step. */
  stepMs(): number;
  pause(milliseconds: number): Promise<void>;
  onChange(publication: Publication): void;
}

/**
 * Bakes one pizza: publishes each of its states through the hub's public API, on its main port and
 * not through a lane's proxy. If the hub is down, it retries with the same idempotency key, so that
 * nothing is published twice.
 */
export async function publishOrder(order: Order, options: OrderPublisherOptions): Promise<void> {
  for (const [index, { name }] of STEPS.entries()) {
    // The times vary, because polls with the same rhythm as the kitchen would look better than they
    // are.
    if (index > 0) await options.pause(options.stepMs() * (0.7 + 0.6 * Math.random()));
    await publish(order, index + 1, name, options);
  }
}

async function publish(
  order: Order,
  step: number,
  name: string,
  { pause, onChange }: OrderPublisherOptions,
): Promise<void> {
  const body = JSON.stringify({
    channel: order.channel,
    type: `pizza.${name}`,
    data: { order: order.number, step: name },
  });
  const headers = { 'content-type': 'application/json', 'idempotency-key': `${order.channel}/${name}` };
  for (let retries = 0; ; retries++) {
    const publication: Publication = { step, sentAtMs: pageNowMs(), acceptedAtMs: undefined, retries };
    order.publications[step - 1] = publication;
    onChange(publication);
    try {
      const answer = await fetch('/v1/events', { method: 'POST', headers, body });
      if (answer.status === 201) {
        publication.acceptedAtMs = pageNowMs();
        onChange(publication);
        return;
      }
    } catch {
      // The hub is down.
    }
    await pause(RETRY_MS);
  }
}
