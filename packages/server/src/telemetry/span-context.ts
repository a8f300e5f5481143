import {
  createTraceState,
  ROOT_CONTEXT,
  trace as traceApi,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';
import { encodeCursor } from '@polycast/protocol';
import { tracestateOf } from '../core/events/trace-context.ts';
import type { StoredRecord } from '../core/ports.ts';

/**
 * Conversions between a stored trace context (`core/events/trace-context.ts`) and the contexts of
 * OpenTelemetry.
 */

/** Whether the publisher records its trace: the flag `sampled`. */
export function isSampled(trace: string): boolean {
  return (trace.charCodeAt(FLAGS_AT) & 1) === 1;
}

/** The same context, with the flag `sampled` cleared. */
export function withoutSampling(trace: string): string {
  return `${trace.slice(0, FLAGS_AT)}${Number(trace[FLAGS_AT]) & ~1}${trace.slice(FLAGS_AT + 1)}`;
}

/** The last digit of the traceparent. The hub stores no other flags than the lowest two. */
const FLAGS_AT = 54;

export function spanContextOf(trace: string): SpanContext {
  const tracestate = tracestateOf(trace);
  return {
    traceId: trace.slice(3, 35),
    spanId: trace.slice(36, 52),
    traceFlags: Number(trace[FLAGS_AT]),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

/** The context of a child span. Without a trace context the span begins a trace. */
export function parentContext(trace: string | undefined): Context {
  return trace === undefined ? ROOT_CONTEXT : traceApi.setSpanContext(ROOT_CONTEXT, spanContextOf(trace));
}

/** The trace context of a span, as it is stored. */
export function traceOf(span: Span): string {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const traceparent = `00-${traceId}-${spanId}-0${traceFlags & 3}`;
  const tracestate = traceState?.serialize() ?? '';
  return tracestate === '' ? traceparent : `${traceparent} ${tracestate}`;
}

/**
 * Attributes of spans, by the semantic conventions of OpenTelemetry for messaging and HTTP. No span
 * has a part of an event's data, a user, or a path of an endpoint.
 */
export const SYSTEM: Attributes = { 'messaging.system': 'polycast' };

/** What a span says about its events: one, or a batch. */
export function eventAttributes(
  records: readonly Pick<StoredRecord, 'channel' | 'position'>[],
  epoch: string,
): Attributes {
  const [first] = records;
  if (first === undefined) return {};
  const isOneChannel = records.every(({ channel }) => channel === first.channel);
  return {
    ...(isOneChannel && { 'messaging.destination.name': first.channel }),
    ...(records.length === 1
      ? { 'messaging.message.id': encodeCursor(epoch, first.position) }
      : { 'messaging.batch.message_count': records.length }),
  };
}
