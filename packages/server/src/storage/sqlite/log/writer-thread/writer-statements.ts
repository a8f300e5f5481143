import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The events of `insertEvents`. With more, small commits would not use it. */
export const EVENTS_PER_INSERT = 8;
const EVENT_VALUES = '(?, ?, ?, ?, ?, ?, ?)';
const EVENT_TABLE = 'event (position, channel, type, time_ms, body, checksum, trace)';

/**
 * The writer's SQL statements, prepared once per connection. Queries for many rows return arrays.
 */
export interface WriterStatements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly insertEvent: StatementSync;
  readonly insertEvents: StatementSync;
  readonly deleteEvent: StatementSync;
  readonly insertChannel: StatementSync;
  readonly updateChannel: StatementSync;
  readonly emptyChannel: StatementSync;
  readonly deleteChannel: StatementSync;
  readonly insertForgotten: StatementSync;
  readonly dropForgotten: StatementSync;
  readonly savePrefix: StatementSync;
  readonly deletePrefixesThrough: StatementSync;
  readonly indexEvents: StatementSync;
  readonly unindexEvent: StatementSync;
  readonly unindexThrough: StatementSync;
  readonly oldestEvents: StatementSync;
  readonly oldestPositions: StatementSync;
  readonly timeAndBytes: StatementSync;
  readonly channelOfEvent: StatementSync;
  readonly newestOfChannel: StatementSync;
  readonly findKey: StatementSync;
  readonly insertKey: StatementSync;
  readonly oldestKey: StatementSync;
  readonly purgeKeys: StatementSync;
  readonly reserve: StatementSync;
  readonly setIndexed: StatementSync;
  readonly setTrimmed: StatementSync;
  readonly fillFreePages: StatementSync;
  readonly releaseFreePages: StatementSync;
  readonly checkpoint: StatementSync;
  readonly restartWal: StatementSync;
  readonly emptyWal: StatementSync;
}

export function prepareWriter(database: DatabaseSync): WriterStatements {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  const prepareRows = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  return {
    begin: prepare('BEGIN IMMEDIATE'),
    commit: prepare('COMMIT'),
    rollback: prepare('ROLLBACK'),
    insertEvent: prepare(`INSERT INTO ${EVENT_TABLE} VALUES ${EVENT_VALUES}`),
    // A failure ends its transaction, so SQLite need not copy pages to undo this statement alone.
    insertEvents: prepare(
      `INSERT OR FAIL INTO ${EVENT_TABLE} VALUES ${Array.from({ length: EVENTS_PER_INSERT }, () => EVENT_VALUES).join()}`,
    ),
    deleteEvent: prepare('DELETE FROM event WHERE position = ?'),
    insertChannel: prepare('INSERT INTO channel VALUES (?, ?, 0, 0, 0, 0, 0, 0, ?, ?, ?, ?)'),
    updateChannel: prepare(
      `UPDATE channel SET count = ?, bytes = ?, oldest_time_ms = ?, latest_position = ?, appended_position = ?, appended_time_ms = ?,
         trimmed_in = CASE WHEN trimmed_through = ? AND erased_through = ? THEN trimmed_in ELSE ? END, trimmed_through = ?,
         erased_through = ? WHERE id = ?`,
    ),
    emptyChannel: prepare(
      'UPDATE channel SET count = 0, bytes = 0, oldest_time_ms = 0, latest_position = 0 WHERE id = ?',
    ),
    deleteChannel: prepare('DELETE FROM channel WHERE id = ?'),
    insertForgotten: prepare('INSERT INTO forgotten_channel VALUES (?, ?)'),
    dropForgotten: prepare('DELETE FROM forgotten_channel WHERE sequence <= ?'),
    savePrefix: prepare('INSERT OR REPLACE INTO family VALUES (?, ?, ?, ?)'),
    deletePrefixesThrough: prepare('DELETE FROM family WHERE forgotten_through <= ?'),
    indexEvents: prepare(
      'INSERT INTO channel_event SELECT channel, position FROM event WHERE position > ? ORDER BY channel, position',
    ),
    unindexEvent: prepare('DELETE FROM channel_event WHERE channel = ? AND position = ?'),
    unindexThrough: prepare('DELETE FROM channel_event WHERE channel = ? AND position <= ?'),
    oldestEvents: prepareRows(
      `SELECT channel_event.position, event.time_ms, length(event.body) FROM channel_event LEFT JOIN event USING (position)
         WHERE channel_event.channel = ? ORDER BY channel_event.position LIMIT ?`,
    ),
    oldestPositions: prepareRows('SELECT position FROM channel_event WHERE channel = ? ORDER BY position LIMIT ?'),
    timeAndBytes: prepareRows('SELECT time_ms, length(body) FROM event WHERE position = ?'),
    channelOfEvent: prepareRows(
      'SELECT channel.name, length(event.body) FROM event JOIN channel ON channel.id = event.channel WHERE position = ?',
    ),
    newestOfChannel: prepareRows('SELECT max(position) FROM channel_event WHERE channel = ?'),
    findKey: prepare('SELECT fingerprint, position, time_ms AS timeMs FROM idempotency_key WHERE key = ?'),
    insertKey: prepare("INSERT OR REPLACE INTO idempotency_key VALUES (?, ?, ?, '', ?)"),
    oldestKey: prepare('SELECT min(time_ms) AS timeMs FROM idempotency_key'),
    purgeKeys: prepare(
      'DELETE FROM idempotency_key WHERE key IN (SELECT key FROM idempotency_key WHERE time_ms <= ? ORDER BY time_ms, key LIMIT ?)',
    ),
    reserve: prepare('UPDATE state SET reserved_through = ?'),
    setIndexed: prepare('UPDATE state SET indexed_through = ?'),
    setTrimmed: prepare('UPDATE state SET trims = ?, forgotten = ?, forgotten_through = ?'),
    fillFreePages: prepare('INSERT INTO free_page (zeros) VALUES (zeroblob(?))'),
    releaseFreePages: prepare('DELETE FROM free_page WHERE id = (SELECT min(id) FROM free_page)'),
    checkpoint: prepare('PRAGMA wal_checkpoint(PASSIVE)'),
    restartWal: prepare('PRAGMA wal_checkpoint(RESTART)'),
    emptyWal: prepare('PRAGMA wal_checkpoint(TRUNCATE)'),
  };
}
