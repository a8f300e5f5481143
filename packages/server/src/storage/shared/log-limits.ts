/** The bounds that every home of the log keeps, each with its reason. */

/** Channels that a log may hold at a time: each costs the writer and the reader some 250 bytes of memory, both of them. */
export const CHANNELS_MAX_DEFAULT = 1_000_000;

/** How long an idempotency key is remembered, by the time of its event (PROTOCOL.md section 8.4). */
export const KEY_LIFETIME_MS: number = 24 * 60 * 60 * 1000;

/**
 * What the idempotency keys of a log in memory may take, in bytes: some 200,000 of them. A new key beyond it is refused, since to forget
 * one that is still promised would publish an event twice. A log on a disk keeps them there.
 */
export const KEYS_BYTES_MAX: number = 64 * 1024 * 1024;

/**
 * A channel without events is forgotten so long after its last one, so that names made up once, one an order say, cost
 * memory only while there is something of them. What it had lost is remembered for its family. An hour: then nobody
 * who was away for less than that can be told of a gap that was in another channel.
 */
export const CHANNEL_FORGOTTEN_AFTER_MS: number = 60 * 60 * 1000;

/**
 * Families (first tokens of names) that are remembered one by one for what their forgotten channels had lost, at some
 * 100 bytes each in the writer and the reader; those that lost the oldest events are remembered together beyond it.
 */
export const PREFIXES_MAX = 10_000;

/** Channels that one `trim` forgets at most: each touches a page or two. */
export const FORGOTTEN_CHANNELS_MAX = 256;

/** Events that one `trim` removes at most, so that no publisher waits behind it for more than a few milliseconds. */
export const TRIM_EVENTS_MAX = 256;

/** Events that one `read` looks at, at most, before it answers with what it has found. */
export const READ_ROWS_MAX = 2_048;
