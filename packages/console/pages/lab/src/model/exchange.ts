import type { Direction, LaneName } from './records.ts';

/**
 * One request with its result: a poll and its answer, a stream of events, or a socket and its
 * frames. Times are milliseconds since 1970 by the page's clock.
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
  /** The bytes of heads, bodies and frames, without those of TCP. */
  bytesUp: number;
  bytesDown: number;
  events: number;
  gaps: number;
  /** The exchange was cut before its end. */
  broken: boolean;
}

/** `call`: the hub sends the request, with an event. */
export type ExchangeKind = 'poll' | 'stream' | 'socket' | 'preflight' | 'call';

/** `nothing`: it has ended without an event, so the request was wasted. */
export type Outcome = 'open' | 'news' | 'nothing' | 'failed';

export function outcomeOf(exchange: Exchange): Outcome {
  if (exchange.events + exchange.gaps > 0) return 'news';
  if (exchange.broken || (exchange.status ?? 0) >= 400) return 'failed';
  return exchange.endedAtMs === undefined ? 'open' : 'nothing';
}

/** A readable piece of the traffic. */
export interface WireEntry {
  readonly number: number;
  /** The exchange's number; 0 for an entry without an exchange. */
  readonly exchange: number;
  readonly direction: Direction | 'note';
  readonly atMs: number;
  readonly kind: 'head' | 'body' | 'event' | 'control' | 'note';
  /** The kind of the piece: `event`, `text frame`. */
  readonly label: string;
  readonly text: string;
  readonly byteCount: number;
}
