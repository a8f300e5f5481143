import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as traceApi, type Span, type Tracer } from '@opentelemetry/api';
import { encodeCursor } from '@polycast/protocol';
import type { Clock, Position } from '../core/ports.ts';
import type {
  CancelSignal,
  LeasedEvent,
  LeaseOutcome,
  PullOptions,
  PullService,
} from '../subscriptions/state/pull-service.ts';
import { SYSTEM, isSampled, parentContext, spanContextOf } from './span-context.ts';
export interface TracedPullParts {
  readonly tracer: Tracer;
  readonly pulls: PullService;
  readonly clock: Clock;
  readonly epoch: () => string;
}

/** The span of a lease. */
interface OpenLease {
  readonly span: Span;
  readonly subscription: string;
  readonly position: Position;
  endsMs: number;
}

/** Leases whose spans are open, at most. Further ones have a span without a length. */
const OPEN_LEASES_MAX = 10_000;

/**
 * A pull service that records a span `pull` for each leased event, in the event's trace: from the
 * lease to its settlement. Its attribute `polycast.settlement` is `ack`, `nack`, `returned`, or
 * `expired`. The settlement itself is a span
 * `ack` or `nack` below it, without a length.
 */
export class TracedPulls implements PullService {
  readonly #parts: TracedPullParts;
  readonly #open = new Map<string, OpenLease>();

  constructor(parts: TracedPullParts) {
    this.#parts = parts;
  }

  async pull(subscription: string, options: PullOptions, signal: CancelSignal): Promise<readonly LeasedEvent[]> {
    const events = await this.#parts.pulls.pull(subscription, options, signal);
    for (const event of events) this.#start(subscription, event);
    return events;
  }

  watch(subscription: string, onClosed: Parameters<PullService['watch']>[1]): () => void {
    return this.#parts.pulls.watch(subscription, onClosed);
  }

  acknowledge(subscription: string, leases: readonly string[]): readonly LeaseOutcome[] {
    return this.#settled(leases, this.#parts.pulls.acknowledge(subscription, leases), 'ack');
  }

  acknowledgeThrough(subscription: string, position: Position): number {
    const count = this.#parts.pulls.acknowledgeThrough(subscription, position);
    for (const [lease, open] of this.#open)
      if (open.subscription === subscription && open.position <= position) this.#end(lease, 'ack');
    return count;
  }

  release(subscription: string, leases: readonly string[], delayMs: number): readonly LeaseOutcome[] {
    return this.#settled(leases, this.#parts.pulls.release(subscription, leases, delayMs), 'nack');
  }

  returnUndelivered(subscription: string, leases: readonly string[]): void {
    this.#parts.pulls.returnUndelivered(subscription, leases);
    for (const lease of leases) this.#end(lease, 'returned');
  }

  extend(subscription: string, leases: readonly string[], leaseMs: number): readonly LeaseOutcome[] {
    const outcomes = this.#parts.pulls.extend(subscription, leases, leaseMs);
    const endsMs = this.#parts.clock.nowMs() + leaseMs;
    for (const [index, lease] of leases.entries()) {
      const open = this.#open.get(lease);
      if (open !== undefined && outcomes[index] === 'ok') open.endsMs = endsMs;
    }
    return outcomes;
  }

  /** Ends the open spans, when the hub closes. The leases themselves continue. */
  close(): void {
    for (const { span } of this.#open.values()) span.end();
    this.#open.clear();
  }

  #start(subscription: string, { lease, position, trace, delivery, leaseEndsMs }: LeasedEvent): void {
    if (trace === undefined || !isSampled(trace)) return;
    const attributes = {
      ...SYSTEM,
      'messaging.operation.name': 'pull',
      'messaging.operation.type': 'receive',
      'messaging.destination.subscription.name': subscription,
      'messaging.message.id': encodeCursor(this.#parts.epoch(), position),
      'polycast.delivery': delivery,
    };
    const options = { kind: SpanKind.CONSUMER, attributes, links: [{ context: spanContextOf(trace) }] };
    const span = this.#parts.tracer.startSpan('pull', options, parentContext(trace));
    if (this.#open.size >= OPEN_LEASES_MAX) return span.end();
    this.#open.set(lease, { span, subscription, position, endsMs: leaseEndsMs });
  }

  #settled(leases: readonly string[], outcomes: readonly LeaseOutcome[], settlement: string): readonly LeaseOutcome[] {
    for (const [index, lease] of leases.entries()) if (outcomes[index] === 'ok') this.#end(lease, settlement);
    return outcomes;
  }

  #end(lease: string, settlement: string): void {
    const open = this.#open.get(lease);
    if (open === undefined) return;
    this.#open.delete(lease);
    const { span, subscription } = open;
    if (settlement === 'ack' || settlement === 'nack') this.#recordSettlement(span, subscription, settlement);
    span.setAttribute('polycast.settlement', settlement);
    if (settlement === 'expired') span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  #recordSettlement(lease: Span, subscription: string, settlement: 'ack' | 'nack'): void {
    const attributes = {
      ...SYSTEM,
      'messaging.operation.name': settlement,
      'messaging.operation.type': 'settle',
      'messaging.destination.subscription.name': subscription,
    };
    const options = { kind: SpanKind.SERVER, attributes };
    this.#parts.tracer.startSpan(settlement, options, traceApi.setSpan(ROOT_CONTEXT, lease)).end();
  }

  /** Ends the spans of leases that have expired. */
  endExpired(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const [lease, { endsMs }] of this.#open) if (endsMs <= nowMs) this.#end(lease, 'expired');
  }
}
