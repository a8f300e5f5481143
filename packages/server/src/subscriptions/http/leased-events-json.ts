import { encodeCursor, formatTime, textFrameHeaderBytes, writeTextFrameHeader } from '@polycast/protocol';
import { traceMembers } from '../../core/events/trace-context.ts';
import type { LeasedEvent, LeaseOutcome } from '../state/pull-service.ts';

/** Leases of one acknowledgement, release or extension. */
export const LEASES_MAX = 1000;
export const LEASE_LENGTH_MAX = 64;

/**
 * Leased events (PROTOCOL.md section 14.6) as the content of a JSON array. Each is
 * `{"lease":…,"delivery":…,"leaseEnds":…,"event":{…}}`, with `traceparent` and `tracestate` before
 * the event if it has a trace context.
 */
export function leasedEventsJson(epoch: string, events: readonly LeasedEvent[]): Buffer {
  const prefixes = events.map((event, index) => (index === 0 ? '{' : ',{') + eventPrefix(epoch, event));
  let size = 0;
  for (const [index, { body }] of events.entries()) size += (prefixes[index] as string).length + body.length + 1;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { body }] of events.entries()) at = writeEvent(out, at, prefixes[index] as string, body);
  return out;
}

/** Leased events as WebSocket text frames, one message per event. */
export function leasedEventFrames(epoch: string, subscription: string, events: readonly LeasedEvent[]): Buffer {
  const messageStart = `{"op":"delivery","subscription":"${subscription}",`;
  const prefixes = events.map((event) => messageStart + eventPrefix(epoch, event));
  const payloads = events.map(({ body }, index) => (prefixes[index] as string).length + body.length + 1);
  let size = 0;
  for (const payloadBytes of payloads) size += textFrameHeaderBytes(payloadBytes) + payloadBytes;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { body }] of events.entries()) {
    at = writeTextFrameHeader(out, at, payloads[index] as number);
    at = writeEvent(out, at, prefixes[index] as string, body);
  }
  return out;
}

/** The JSON text before the event's body, in ASCII. */
function eventPrefix(epoch: string, { lease, delivery, leaseEndsMs, position, trace }: LeasedEvent): string {
  const ends = formatTime(leaseEndsMs);
  return `"lease":"${lease}","delivery":${delivery},"leaseEnds":"${ends}",${traceJson(trace)}"event":{"id":"${encodeCursor(epoch, position)}",`;
}

/** The members of a trace context, with a comma behind them. Its characters are printable ASCII. */
function traceJson(trace: string | undefined): string {
  return trace === undefined ? '' : `${JSON.stringify(traceMembers(trace)).slice(1, -1)},`;
}

function writeEvent(out: Buffer, offset: number, head: string, body: Uint8Array): number {
  let at = offset + out.write(head, offset, 'latin1');
  out.set(body, at);
  at += body.length;
  out[at] = CLOSING_BRACE;
  return at + 1;
}

const CLOSING_BRACE = 0x7d;

export function leaseOf({ lease }: LeasedEvent): string {
  return lease;
}

/** The number of leases that were found, and the list of those that were not. */
export function leaseResults(
  leases: readonly string[],
  outcomes: readonly LeaseOutcome[],
): { readonly count: number; readonly notHeld: readonly string[] } {
  const notHeld = leases.filter((_lease, index) => outcomes[index] === 'not_held');
  return { count: leases.length - notHeld.length, notHeld };
}
