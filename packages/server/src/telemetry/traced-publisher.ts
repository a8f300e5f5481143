import { SpanKind, SpanStatusCode, type Attributes, type Link, type Span, type Tracer } from '@opentelemetry/api';
import { encodeCursor } from '@polycast/protocol';
import type { EventPublisher, PublishRequest, PublishResult } from '../core/publish.ts';
import { SYSTEM, isSampled, parentContext, spanContextOf, traceOf, withoutSampling } from './span-context.ts';

export interface TracedPublisherParts {
  readonly tracer: Tracer;
  readonly publisher: EventPublisher;
  /** The log's epoch, for the ids of events. */
  readonly epoch: () => string;
  /** Whether the sample has this trace. Asked for publishes of users and anonymous clients. */
  readonly isInSample: (traceId: string) => boolean;
}

/** Links of one span, at most: the limit of OpenTelemetry's own configuration. */
const LINKS_MAX = 128;

/**
 * A publisher that records a span `publish` for each publish, from its acceptance until the event
 * is durable. Without tracing, the transports have the publisher itself.
 *
 * An event whose publisher sent a trace context keeps that context. Any other event gets the
 * context of the span, so the hub begins its trace.
 */
export class TracedPublisher implements EventPublisher {
  readonly #parts: TracedPublisherParts;

  constructor(parts: TracedPublisherParts) {
    this.#parts = parts;
  }

  publishOne(published: PublishRequest): Promise<PublishResult> {
    const request = this.#withTrustedFlag(published);
    const span = this.#startSpan([request], request.trace);
    if (span === undefined) return this.#parts.publisher.publishOne(request);
    const traced = request.trace === undefined ? { ...request, trace: traceOf(span) } : request;
    return this.#parts.publisher.publishOne(traced).then((result) => {
      this.#end(span, [result]);
      return result;
    });
  }

  async publish(published: readonly PublishRequest[], trace?: string): Promise<readonly PublishResult[]> {
    const requests = published.map((request) => this.#withTrustedFlag(request));
    const isTrusted = requests.every((request, index) => request === published[index]);
    const parent = trace === undefined || isTrusted ? trace : withoutSampling(trace);
    const span = requests.length === 0 ? undefined : this.#startSpan(requests, parent);
    if (span === undefined) return this.#parts.publisher.publish(requests);
    const created = traceOf(span);
    const traced = requests.map((request) => (request.trace === undefined ? { ...request, trace: created } : request));
    const results = await this.#parts.publisher.publish(traced);
    this.#end(span, results);
    return results;
  }

  /**
   * The flag `sampled` of a user or an anonymous client counts only for the share of traces that
   * the hub samples anyway. Otherwise clients could make the hub record every event.
   */
  #withTrustedFlag(request: PublishRequest): PublishRequest {
    const { trace, author } = request;
    if (trace === undefined || author?.clientKey === undefined || !isSampled(trace)) return request;
    return this.#parts.isInSample(trace.slice(3, 35)) ? request : { ...request, trace: withoutSampling(trace) };
  }

  /** Returns undefined when the publish is not recorded. */
  #startSpan(requests: readonly PublishRequest[], parent: string | undefined): Span | undefined {
    if (parent !== undefined && !isSampled(parent)) return undefined;
    // "PRODUCER if the context of the span is used as the creation context" (messaging spans).
    const kind = requests.some(({ trace }) => trace === undefined) ? SpanKind.PRODUCER : SpanKind.SERVER;
    const options = { kind, attributes: publishAttributes(requests), links: linksOf(requests, parent) };
    const span = this.#parts.tracer.startSpan('publish', options, parentContext(parent));
    return span.isRecording() ? span : undefined;
  }

  #end(span: Span, results: readonly PublishResult[]): void {
    const [first] = results;
    const failed = results.find((result) => !result.ok);
    if (results.length === 1 && first?.ok === true)
      span.setAttribute('messaging.message.id', encodeCursor(this.#parts.epoch(), first.position));
    if (failed?.ok === false) {
      span.setAttribute('error.type', failed.error.code);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

function publishAttributes(requests: readonly PublishRequest[]): Attributes {
  const [first] = requests;
  const isOneChannel = requests.every(({ channel }) => channel === first?.channel);
  return {
    ...SYSTEM,
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    ...(isOneChannel && first !== undefined && { 'messaging.destination.name': first.channel }),
    ...(requests.length > 1 && { 'messaging.batch.message_count': requests.length }),
  };
}

/** Links to the events' own contexts, where they differ from the context of the request. */
function linksOf(requests: readonly PublishRequest[], parent: string | undefined): Link[] {
  const own = new Set<string>();
  for (const { trace } of requests) if (trace !== undefined && trace !== parent) own.add(trace);
  return [...own].slice(0, LINKS_MAX).map((trace) => ({ context: spanContextOf(trace) }));
}
