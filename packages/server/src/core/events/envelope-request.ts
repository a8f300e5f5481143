import type { Envelope } from '@polycast/protocol';
import type { PublishRequest } from '../publish.ts';
import { parseTraceContext } from './trace-context.ts';

/**
 * The publish of an envelope, for HTTP and for WebSocket. The caller has checked the channel.
 * @param key the idempotency key of an envelope without its own
 */
export function envelopeRequest(
  { type, data, idempotencyKey, ifMatch, traceparent, tracestate }: Envelope,
  channel: string,
  key: string | undefined,
): PublishRequest {
  return {
    channel,
    type,
    content: `"data":${data}`,
    idempotencyKey: idempotencyKey ?? key,
    ifMatch,
    trace: traceparent === undefined ? undefined : parseTraceContext(traceparent, tracestate),
  };
}
