import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api';
import { traceMembers } from '../core/events/trace-context.ts';
import type { AttemptSpan, AttemptStart, DeliveryTracer } from '../subscriptions/state/delivery-tracer.ts';
import type { SendResult } from '../subscriptions/state/sender.ts';
import { eventAttributes, SYSTEM, isSampled, parentContext, spanContextOf, traceOf } from './span-context.ts';

/**
 * Records a span `deliver` for each request to an endpoint, in the trace of its event. A batch is
 * in the trace of its first recorded event, and has links to all. Events without a recorded trace
 * have no span: a delivery begins no trace.
 */
export class DeliverySpans implements DeliveryTracer {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  startAttempt(start: AttemptStart): AttemptSpan | undefined {
    const traces = start.records.map(({ trace }) => trace).filter((trace) => trace !== undefined);
    const parent = traces.find(isSampled);
    if (parent === undefined) return undefined;
    // "For each message it accounts for, the span SHOULD link to the message's creation context."
    const links = [...new Set(traces)].map((trace) => ({ context: spanContextOf(trace) }));
    const options = { kind: SpanKind.CLIENT, attributes: attemptAttributes(start), links };
    const span = this.#tracer.startSpan('deliver', options, parentContext(parent));
    return {
      headers: traceMembers(traceOf(span)),
      end(sent) {
        const error = errorType(sent);
        if (sent.answer !== undefined) span.setAttribute('http.response.status_code', sent.answer.status);
        if (error !== undefined) {
          span.setAttribute('error.type', error);
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  }
}

function attemptAttributes({ subscription, records, epoch, url, attempt }: AttemptStart): Attributes {
  const { hostname, port, protocol } = new URL(url);
  return {
    ...SYSTEM,
    'messaging.operation.name': 'deliver',
    'messaging.operation.type': 'process',
    'messaging.destination.subscription.name': subscription,
    ...eventAttributes(records, epoch),
    'http.request.method': 'POST',
    // Not the path: it may contain a secret.
    'server.address': hostname,
    'server.port': port === '' ? DEFAULT_PORTS[protocol] : Number(port),
    ...(attempt > 1 && { 'http.request.resend_count': attempt - 1 }),
  };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

function errorType({ failure, answer }: SendResult): string | undefined {
  if (failure !== undefined) return failure;
  return answer === undefined || (answer.status >= 200 && answer.status <= 299) ? undefined : String(answer.status);
}
