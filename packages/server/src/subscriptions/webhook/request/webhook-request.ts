import type { StoredRecord } from '../../../core/ports.ts';
import type { SubscriptionDefinition, WebhookDelivery } from '../../state/definition.ts';
import type { SendRequest } from '../../state/ports.ts';
import { webhookBody } from './body.ts';
import { webSubSignature, signatures } from './signature.ts';

/**
 * The request that delivers these events to an endpoint: one event, or the events of a batch
 * (PROTOCOL.md section 14.3).
 * @param idOverride replaces the cursor as the id of an event that is in no log
 * @throws TypeError if a secret is invalid
 */
export function webhookRequest(
  { delivery }: Pick<SubscriptionDefinition, 'delivery'>,
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
  idOverride?: string,
): SendRequest {
  const webhook = delivery as WebhookDelivery;
  const isBatch = webhook.batch !== undefined;
  const { id, contentType, headers, bytes } = webhookBody(records, {
    format: webhook.format,
    isBatch,
    epoch,
    idOverride,
  });
  return {
    url: webhook.url,
    method: 'POST',
    headers: {
      'content-type': contentType,
      ...headers,
      ...webhook.headers,
      ...signatureHeaders(webhook, id, bytes, nowMs),
    },
    body: bytes,
    timeoutMs: webhook.timeoutMs,
  };
}

/** The signature headers of this attempt, by which the endpoint authenticates the sender. */
export function signatureHeaders(
  { dialect, secrets }: Pick<WebhookDelivery, 'dialect' | 'secrets'>,
  id: string,
  body: Uint8Array,
  nowMs: number,
): Readonly<Record<string, string>> {
  if (dialect === 'websub') {
    const signature = webSubSignature(body, secrets, nowMs);
    return signature === undefined ? {} : { 'x-hub-signature': signature };
  }
  const seconds = Math.floor(nowMs / 1000);
  const signature = signatures({ id, seconds, body }, secrets, nowMs);
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
}
