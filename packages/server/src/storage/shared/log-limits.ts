/** The bounds of every implementation of the log, each with its reason. */

/**
 * Channels that a log may have at a time. Each takes some 250 bytes of memory in the writer, and
 * the same in the reader.
 */
export const CHANNELS_MAX_DEFAULT = 1_000_000;

/**
 * How long an idempotency key is valid, in milliseconds from the time of its event (PROTOCOL.md
 * section 8.4).
 */
export const KEY_LIFETIME_MS: number = 24 * 60 * 60 * 1000;

/**
 * Bytes of idempotency keys in a log in memory: some 200,000 keys. A new key beyond it is refused.
 * To forget a valid key could publish an event twice. A log on a disk stores its keys there.
 */
export const KEYS_BYTES_MAX: number = 64 * 1024 * 1024;

/**
 * A channel without events is forgotten this many milliseconds after its last event. So names that
 * are used once, for example one for each order, take memory only while they have events. The
 * channel's loss is recorded for its prefix. With an hour, a client that was away for less cannot
 * receive the gap of another channel.
 */
export const CHANNEL_FORGOTTEN_AFTER_MS: number = 60 * 60 * 1000;

/**
 * Prefixes (first tokens of names) with a recorded loss of their own. Each takes some 100 bytes in
 * the writer and in the reader. Beyond it, the prefixes with the oldest losses share one value.
 */
export const PREFIXES_MAX = 10_000;

/** Channels that one `trim` forgets at most. Each changes a page or two. */
export const FORGOTTEN_CHANNELS_MAX = 256;

/**
 * Events that one `trim` removes at most, so that no publisher waits for it for more than a few
 * milliseconds.
 */
export const TRIM_EVENTS_MAX = 256;

/** Events that one `read` examines at most before it answers. */
export const READ_ROWS_MAX = 2_048;
