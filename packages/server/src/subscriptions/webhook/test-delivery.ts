import { randomBytes } from 'node:crypto';
import { formatTime } from '@polycast/protocol';
import type { Clock, StoredRecord } from '../../core/ports.ts';
import type { Dialects } from '../state/dialect.ts';
import type { Attempt, Sample } from '../state/ports.ts';
import type { Sender } from '../state/sender.ts';
import type { SubscriptionStore } from '../state/subscription-store.ts';
import { attemptWithoutEvent } from './attempt-record.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';
import { classify } from './outcome.ts';
import { webhookRequest } from './request/webhook-request.ts';

export interface TestDeliveryParts {
  readonly epoch: string;
  readonly sender: Sender;
  readonly dialects: Dialects;
  readonly store: Pick<SubscriptionStore, 'enqueue'>;
  readonly clock: Clock;
  readonly nextAttempt: () => number;
}

/**
 * Sends a sample immediately, independently of the events. It is tried once. The mark `"test":true`
 * tells receivers that it is no event.
 */
export async function sendTestDelivery(
  { epoch, sender, dialects, store, clock, nextAttempt }: TestDeliveryParts,
  consumer: WebhookConsumer,
  { channel, type, data }: Sample,
): Promise<Attempt> {
  const startedMs = clock.nowMs();
  const head = { channel, ...(type === undefined ? {} : { type }), time: formatTime(startedMs) };
  const body = Buffer.from(`${JSON.stringify(head).slice(1, -1)},"data":${markedAsTest(data)}}`);
  const record: StoredRecord = { position: 0, channel, type, timeMs: startedMs, body };
  // Each sample has a new id, because receivers skip ids that they know.
  const id = `test_${randomBytes(12).toString('base64url')}`;
  const { delivery } = consumer;
  const request = webhookRequest(dialects.get(delivery.dialect), delivery, [record], epoch, startedMs, id);
  const sent = await sender.send(request);
  const { outcome } = classify(sent, clock.nowMs());
  const known = { subscription: consumer.id, number: nextAttempt(), epoch, attempt: 1, startedMs, outcome };
  const attempt = attemptWithoutEvent({ ...known, detail: sent.detail }, request, sent);
  store.enqueue([{ kind: 'attempt', attempt }]);
  return attempt;
}

/**
 * Adds `"test":true` to the data, because the signature covers the data in every dialect and
 * format. A value that is no object is wrapped in one, as its `data` member.
 */
function markedAsTest(data: string): string {
  const value: unknown = JSON.parse(data);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return JSON.stringify(isObject ? Object.assign({ test: true }, value, { test: true }) : { test: true, data: value });
}
