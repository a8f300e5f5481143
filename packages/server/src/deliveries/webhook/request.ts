import { createHmac } from 'node:crypto';
import { encodeCursor } from '@polycast/protocol';
import type { StoredRecord } from '../../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../../core/subscription/definition.ts';
import type { SendRequest } from '../../core/subscription/ports.ts';

/** What an endpoint is sent for these events: one, or those of a batch. */
export function requestOf(
  definition: SubscriptionDefinition,
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
): SendRequest {
  const delivery = definition.delivery as WebhookDelivery;
  const [first] = records as [StoredRecord];
  const id = encodeCursor(epoch, first.position);
  const body = Buffer.concat([Buffer.from(`{"id":"${id}",`), first.body]);
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = delivery.secrets
    .filter(({ endsMs }) => endsMs === undefined || endsMs > nowMs)
    .map(({ text }) => {
      const key = Buffer.from(text.replace(/^whsec_/, ''), 'base64');
      return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
    });
  return {
    url: delivery.url,
    method: 'POST',
    headers: {
      ...delivery.headers,
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    },
    body,
    timeoutMs: delivery.timeoutMs,
  };
}
