import { outcomeOf } from './exchange.ts';
import { delaysMs } from './order.ts';
import type { Order } from './order.ts';
import type { LaneName } from './records.ts';
import type { LaneWire } from './wire-model.ts';

/** The requests, bytes and delays of a lane. */
export interface LaneStats {
  readonly requests: number;
  /**
   * The requests that have ended without an event: empty answers, timeouts, preflights, and failed
   * attempts.
   */
  readonly wasted: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** The delay from publish to arrival; undefined before the first event. */
  readonly medianDelayMs: number | undefined;
  readonly worstDelayMs: number | undefined;
  readonly received: number;
  /** Published events that a gap has reported as lost. */
  readonly lost: number;
}

export function laneStatsOf(order: Order, lane: LaneName, wire: LaneWire): LaneStats {
  const delays = delaysMs(order, lane);
  const { received, gaps } = order.results[lane];
  const wasted = wire.exchanges.filter((exchange) => ['nothing', 'failed'].includes(outcomeOf(exchange))).length;
  return {
    requests: wire.exchanges.length + wire.refusals.length,
    wasted: wasted + wire.refusals.length,
    bytesUp: sum(wire.exchanges.map(({ bytesUp }) => bytesUp)),
    bytesDown: sum(wire.exchanges.map(({ bytesDown }) => bytesDown)),
    medianDelayMs: median(delays),
    worstDelayMs: delays.length === 0 ? undefined : Math.max(...delays),
    received: received.length,
    lost: gaps.length === 0 ? 0 : lostBefore(order, lane),
  };
}

/**
 * The missing events before one that was received. Events come in order, so these will not come.
 */
function lostBefore(order: Order, lane: LaneName): number {
  const steps = new Set(order.results[lane].received.map(({ step }) => step));
  const last = Math.max(0, ...steps);
  return order.publications.filter(({ step }) => step < last && !steps.has(step)).length;
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  if (upper === undefined || lower === undefined || sorted.length % 2 === 1) return upper;
  return (lower + upper) / 2;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
