import type { StoredRecord } from '../../core/ports.ts';
import type { SendResult } from './sender.ts';

/**
 * Records the requests to endpoints in the traces of their events. A hub without tracing has none.
 * Example: the publisher of event 7 sent a trace context. The request that delivers event 7 gets a
 * span in that trace, and carries the context of that span to the endpoint.
 */
export interface DeliveryTracer {
  /** Called directly before a request. Returns undefined when no event is in a recorded trace. */
  startAttempt(start: AttemptStart): AttemptSpan | undefined;
}

export interface AttemptStart {
  readonly subscription: string;
  /** The events of the request, in log order. */
  readonly records: readonly StoredRecord[];
  readonly epoch: string;
  readonly url: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
}

/** The span of one request. */
export interface AttemptSpan {
  /**
   * The headers that carry its context, names in lower case: `traceparent`, and `tracestate` if the
   * event has one.
   */
  readonly headers: Readonly<Record<string, string>>;
  end(sent: SendResult): void;
}
