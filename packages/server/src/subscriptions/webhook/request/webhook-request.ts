import type { StoredRecord } from '../../../core/ports.ts';
import type { WebhookDelivery } from '../../state/definition.ts';
import type { Dialect } from '../../state/dialect.ts';
import type { SendRequest } from '../../state/sender.ts';
import { traceMembers } from '../../../core/events/trace-context.ts';
import { webhookBody } from '../body-formats/body.ts';

/**
 * The request that delivers these events to an endpoint: one event, or the events of a batch
 * (PROTOCOL.md section 14.3).
 * @param dialect the dialect of the delivery
 * @param idOverride replaces the cursor as the id of an event that is in no log
 * @throws TypeError if a secret is invalid
 */
export function webhookRequest(
  dialect: Dialect,
  { url, format, batch, headers: ownHeaders, secrets, timeoutMs }: WebhookDelivery,
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
  idOverride?: string,
): SendRequest {
  const isBatch = batch !== undefined;
  const { id, contentType, headers, bytes } = webhookBody(records, { format, isBatch, epoch, idOverride });
  return {
    url,
    method: 'POST',
    headers: {
      'content-type': contentType,
      ...headers,
      ...ownHeaders,
      ...traceHeaders(records),
      ...dialect.signatureHeaders(secrets, id, bytes, nowMs, records),
    },
    body: bytes,
    timeoutMs,
  };
}

/**
 * The trace context of the events (PROTOCOL.md section 8.7). A batch has one only if all its events
 * share it.
 */
function traceHeaders(records: readonly StoredRecord[]): Readonly<Record<string, string>> | undefined {
  const trace = records[0]?.trace;
  if (trace === undefined || records.some((record) => record.trace !== trace)) return undefined;
  return traceMembers(trace);
}
