/** The bounds that every home of the log keeps, each with its reason. */

/** Channels that a log may hold at a time: each costs the writer and the reader some 200 bytes of memory. */
export const CHANNELS_MAX_DEFAULT = 1_000_000;

/** How long an idempotency key is remembered, by the time of its event (PROTOCOL.md section 8.4). */
export const KEY_LIFETIME_MS: number = 24 * 60 * 60 * 1000;

/**
 * A channel that has held no event for so long is forgotten, so that names made up once do not stay for ever. What it
 * had lost is remembered for all forgotten channels together, so a cursor older than that may be told of a gap that was
 * in another channel: a needless gap, never a silent loss.
 */
export const CHANNEL_FORGOTTEN_AFTER_MS: number = 7 * 24 * 60 * 60 * 1000;

/** Events that one `trim` removes at most, so that no publisher waits behind it for more than a few milliseconds. */
export const TRIM_EVENTS_MAX = 256;

/** Events that one `read` looks at, at most, before it answers with what it has found. */
export const READ_ROWS_MAX = 2_048;
