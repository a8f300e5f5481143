/** `poly` in ASCII. Distinguishes the log from another program's SQLite database. */
export const APPLICATION_ID = 0x706f6c79;

/**
 * The steps from each schema version to the next. Steps are only ever added: `user_version` in the
 * file is the number of steps that were applied.
 *
 * - `event` is the log, in the order of positions, so that an append touches only its end.
 * - `channel_event` finds a channel's events. It has those up to `state.indexed_through`. Later
 *   ones are added in sorted runs (docs/decisions/0004-deferred-index.md).
 * - `channel` is exact for indexed events. `trimmed_in` is the number of the last trim that removed
 *   events from the channel.
 * - `family` has the losses of forgotten channels, by the first token of their names
 *   (`ChannelPrefixes`). `state.forgotten_through` is the loss of all prefixes without a row.
 *   `changed_in` is the number of a trim, like `trimmed_in`.
 * - `forgotten_channel` has the newest forgotten channels, for the reader to follow.
 *   `state.forgotten` counts all channels ever forgotten.
 * - `event.checksum` is defined in `checksum.ts`. It is NULL for events up to
 *   `state.unchecked_through`, which are older than checksums. `channel.checksum` covers the
 *   channel's id and name. It is NULL for older channels.
 * - `event.trace` is the publisher's trace context (`core/events/trace-context.ts`). It is NULL for
 *   events without one, and for older events.
 * - `erased_through` is the part of `trimmed_through`, or of `forgotten_through`, that was an
 *   erasure. `free_page` has zeros in pages that were free, while an erasure overwrites them.
 * - `idempotency_key.channel` is empty: the fingerprint covers the channel, and an erasure must not
 *   have to search the keys for it.
 * - `state.reserved_through` is the upper bound of all positions ever assigned, including those of
 *   events that are not stored.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE state (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     epoch TEXT NOT NULL,
     epoch_start INTEGER NOT NULL,
     generation INTEGER NOT NULL,
     inode TEXT NOT NULL,
     reserved_through INTEGER NOT NULL,
     indexed_through INTEGER NOT NULL,
     forgotten_through INTEGER NOT NULL,
     forgotten INTEGER NOT NULL,
     trims INTEGER NOT NULL
   );
   CREATE TABLE family (
     name TEXT PRIMARY KEY,
     forgotten_through INTEGER NOT NULL,
     changed_in INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX family_changed ON family (changed_in);
   CREATE TABLE forgotten_channel (
     sequence INTEGER PRIMARY KEY,
     channel INTEGER NOT NULL
   );
   CREATE TABLE channel (
     id INTEGER PRIMARY KEY,
     name TEXT NOT NULL,
     count INTEGER NOT NULL,
     bytes INTEGER NOT NULL,
     oldest_time_ms INTEGER NOT NULL,
     latest_position INTEGER NOT NULL,
     appended_position INTEGER NOT NULL,
     appended_time_ms INTEGER NOT NULL,
     trimmed_through INTEGER NOT NULL,
     trimmed_in INTEGER NOT NULL
   );
   CREATE INDEX channel_trimmed ON channel (trimmed_in) WHERE trimmed_in > 0;
   CREATE TABLE event (
     position INTEGER PRIMARY KEY,
     channel INTEGER NOT NULL,
     type TEXT,
     time_ms INTEGER NOT NULL,
     body BLOB NOT NULL
   );
   CREATE TABLE channel_event (
     channel INTEGER NOT NULL,
     position INTEGER NOT NULL,
     PRIMARY KEY (channel, position)
   ) WITHOUT ROWID;
   CREATE TABLE idempotency_key (
     key TEXT PRIMARY KEY,
     fingerprint TEXT,
     position INTEGER NOT NULL,
     channel TEXT NOT NULL,
     time_ms INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX idempotency_key_time ON idempotency_key (time_ms);`,
  `ALTER TABLE event ADD COLUMN checksum INTEGER;
   ALTER TABLE channel ADD COLUMN checksum INTEGER;
   ALTER TABLE state ADD COLUMN unchecked_through INTEGER NOT NULL DEFAULT 0;
   UPDATE state SET unchecked_through = reserved_through;`,
  'ALTER TABLE event ADD COLUMN trace TEXT',
  `ALTER TABLE channel ADD COLUMN erased_through INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE family ADD COLUMN erased_through INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE free_page (id INTEGER PRIMARY KEY, zeros BLOB NOT NULL);
   UPDATE idempotency_key SET channel = '';`,
];
