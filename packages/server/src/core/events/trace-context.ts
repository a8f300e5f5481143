/**
 * A trace context is the place of an event in a distributed trace (W3C Trace Context). The
 * publisher sends it as `traceparent` and `tracestate`. The hub stores it beside the event as one
 * text: the traceparent, and behind a space the tracestate, if there is one.
 *
 * Example: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 vendor=x1`.
 */

/** Length of a traceparent of version 00. */
const TRACEPARENT_LENGTH = 55;
/**
 * A longer tracestate is dropped. "Vendors SHOULD propagate at least 512 characters of a combined
 * header" (Trace Context, section 3.3.1.5).
 */
export const TRACESTATE_LENGTH_MAX = 512;
/** A traceparent of a later version has more fields, which version 00 ignores (section 4.3). */
const TRACEPARENT_LENGTH_MAX = 512;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
/** The flags that have a meaning: sampled (1) and random (2). */
const KNOWN_FLAGS = 3;

/** A member of a tracestate: `key=value` (section 3.3.1.3). */
const MEMBER = /^(?:[a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MEMBERS_MAX = 32;

/**
 * The stored text of a trace context; `undefined` without a valid traceparent. An invalid
 * traceparent discards both, an invalid tracestate only itself (section 4.3). No error: a trace
 * never prevents an event.
 */
export function parseTraceContext(traceparent: unknown, tracestate: unknown): string | undefined {
  if (typeof traceparent !== 'string' || traceparent.length < TRACEPARENT_LENGTH) return undefined;
  if (traceparent.length > TRACEPARENT_LENGTH_MAX) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  const known = `0${Number.parseInt(flags, 16) & KNOWN_FLAGS}`;
  const state = validTracestate(tracestate);
  // `join` copies the characters. A part of the request's text would keep that text in memory.
  return ['00', traceId, spanId, state === undefined ? known : `${known} ${state}`].join('-');
}

/** The traceparent of a stored trace context. */
export function traceparentOf(trace: string): string {
  return trace.slice(0, TRACEPARENT_LENGTH);
}

/** The tracestate of a stored trace context, if it has one. */
export function tracestateOf(trace: string): string | undefined {
  return trace.length > TRACEPARENT_LENGTH ? trace.slice(TRACEPARENT_LENGTH + 1) : undefined;
}

/**
 * The context as members, names in lower case: headers of a request, or attributes of a CloudEvent.
 */
export function traceMembers(trace: string): Readonly<Record<string, string>> {
  const traceparent = traceparentOf(trace);
  const tracestate = tracestateOf(trace);
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

function validTracestate(text: unknown): string | undefined {
  if (typeof text !== 'string' || text === '' || text.length > TRACESTATE_LENGTH_MAX) return undefined;
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  if (members.length === 0 || members.length > MEMBERS_MAX) return undefined;
  return members.every((member) => MEMBER.test(member)) ? members.join() : undefined;
}
