/**
 * A transport is the way in which a client reads events. Example: `sse` is one response of
 * Server-Sent Events. Metrics, schemas, the client library, the CLI and the Lab follow these lists.
 */
export type TransportName = (typeof CLIENT_TRANSPORTS)[number] | (typeof OTHER_TRANSPORTS)[number];

/** The transports of the client library, in its order of preference. */
export const CLIENT_TRANSPORTS = ['websocket', 'sse', 'long-poll', 'short-poll'] as const;
/** The transports for programs without the client library. */
const OTHER_TRANSPORTS = ['ndjson'] as const;

/** All transports of the hub. */
export const TRANSPORTS: readonly TransportName[] = /* @__PURE__ */ [CLIENT_TRANSPORTS, OTHER_TRANSPORTS].flat();

/**
 * The transports of sessions. A short poll is answered immediately and leaves no session behind.
 */
export const SESSION_TRANSPORTS: readonly TransportName[] = /* @__PURE__ */ TRANSPORTS.filter(
  (name) => name !== 'short-poll',
);

/** A transport whose response lasts, and which the client chooses by `Accept`. Example: `sse`. */
export type EventStreamName = Exclude<TransportName, 'websocket' | 'long-poll' | 'short-poll'>;

/** A count for each transport, from zero. */
export function transportCounts(): Record<TransportName, number> {
  return Object.fromEntries(TRANSPORTS.map((name) => [name, 0])) as Record<TransportName, number>;
}
