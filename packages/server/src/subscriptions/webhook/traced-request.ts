import type { StoredRecord } from '../../core/ports.ts';
import type { AttemptSpan, DeliveryTracer } from '../state/delivery-tracer.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { SendRequest } from '../state/sender.ts';

/** A request to an endpoint, with the span that records it. */
export interface TracedRequest {
  readonly request: SendRequest;
  /** `undefined` if no event of the request is in a recorded trace. */
  readonly span: AttemptSpan | undefined;
}

interface Attempt {
  /** The id of the subscription. */
  readonly subscription: string;
  readonly lanes: readonly Lane[];
  readonly records: readonly StoredRecord[];
  readonly epoch: string;
}

/**
 * Begins the span of a request, and adds its context to the headers. Example: the third attempt to
 * deliver event 7 is a span in the trace of the publisher of event 7.
 */
export function traceRequest(
  tracer: DeliveryTracer,
  { subscription, lanes, records, epoch }: Attempt,
  request: SendRequest,
): TracedRequest {
  const attempt = Math.max(...lanes.map(({ attempts }) => attempts));
  const span = tracer.startAttempt({ subscription, records, epoch, url: request.url, attempt });
  if (span === undefined) return { request, span };
  return { request: { ...request, headers: { ...request.headers, ...span.headers } }, span };
}
