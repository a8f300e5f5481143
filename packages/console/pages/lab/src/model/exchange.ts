import type { Direction, LaneName } from './records.ts';

/**
 * One request and all that came of it: a poll and its answer, a stream of events, or a socket and
 * its frames. Times are milliseconds since 1970 by the page's clock.
 */
export interface Exchange {
  readonly number: number;
  readonly lane: LaneName;
  readonly method: string;
  readonly target: string;
  readonly kind: ExchangeKind;
  readonly startedAtMs: number;
  endedAtMs: number | undefined;
  status: number | undefined;
  /** Of heads, bodies and frames; what TCP adds is not counted. */
  bytesUp: number;
  bytesDown: number;
  events: number;
  gaps: number;
  /** It was cut off before its end. */
  broken: boolean;
}

/** `call`: the hub asks, and hands an event over. */
export type ExchangeKind = 'poll' | 'stream' | 'socket' | 'preflight' | 'call';

/** `nothing`: it is over and brought no news, a request wasted. */
export type Outcome = 'open' | 'news' | 'nothing' | 'failed';

export function outcomeOf(exchange: Exchange): Outcome {
  if (exchange.events + exchange.gaps > 0) return 'news';
  if (exchange.broken || (exchange.status ?? 0) >= 400) return 'failed';
  return exchange.endedAtMs === undefined ? 'open' : 'nothing';
}

/** A piece of what passed, as a person reads it. */
export interface WireEntry {
  readonly number: number;
  /** The exchange's number; 0 for what belongs to none. */
  readonly exchange: number;
  readonly direction: Direction | 'note';
  readonly atMs: number;
  readonly kind: 'head' | 'body' | 'event' | 'control' | 'note';
  /** What it is: `event`, `text frame`. */
  readonly label: string;
  readonly text: string;
  readonly byteCount: number;
}
