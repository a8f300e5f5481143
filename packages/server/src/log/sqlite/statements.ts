import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** What the writer says to its database, prepared once a connection. Rows come as arrays where they are many. */
export interface WriterStatements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly insertEvent: StatementSync;
  readonly deleteEvent: StatementSync;
  readonly insertChannel: StatementSync;
  readonly updateChannel: StatementSync;
  readonly emptyChannel: StatementSync;
  readonly deleteChannel: StatementSync;
  readonly noteForgotten: StatementSync;
  readonly dropForgotten: StatementSync;
  readonly saveFamily: StatementSync;
  readonly foldFamilies: StatementSync;
  readonly indexEvents: StatementSync;
  readonly unindexEvent: StatementSync;
  readonly unindexThrough: StatementSync;
  readonly oldestEvents: StatementSync;
  readonly oldestPositions: StatementSync;
  readonly timeAndBytes: StatementSync;
  readonly findKey: StatementSync;
  readonly insertKey: StatementSync;
  readonly oldestKey: StatementSync;
  readonly purgeKeys: StatementSync;
  readonly reserve: StatementSync;
  readonly setIndexed: StatementSync;
  readonly setTrimmed: StatementSync;
  readonly checkpoint: StatementSync;
  readonly restartWal: StatementSync;
}

export function prepareWriter(database: DatabaseSync): WriterStatements {
  const one = (sql: string): StatementSync => database.prepare(sql);
  const many = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  return {
    begin: one('BEGIN IMMEDIATE'),
    commit: one('COMMIT'),
    rollback: one('ROLLBACK'),
    insertEvent: one('INSERT INTO event (position, channel, type, time_ms, body, checksum) VALUES (?, ?, ?, ?, ?, ?)'),
    deleteEvent: one('DELETE FROM event WHERE position = ?'),
    insertChannel: one('INSERT INTO channel VALUES (?, ?, 0, 0, 0, 0, 0, 0, ?, ?, ?)'),
    updateChannel: one(
      `UPDATE channel SET count = ?, bytes = ?, oldest_time_ms = ?, latest_position = ?, appended_position = ?, appended_time_ms = ?,
         trimmed_in = CASE WHEN trimmed_through = ? THEN trimmed_in ELSE ? END, trimmed_through = ? WHERE id = ?`,
    ),
    emptyChannel: one('UPDATE channel SET count = 0, bytes = 0, oldest_time_ms = 0, latest_position = 0 WHERE id = ?'),
    deleteChannel: one('DELETE FROM channel WHERE id = ?'),
    noteForgotten: one('INSERT INTO forgotten_channel VALUES (?, ?)'),
    dropForgotten: one('DELETE FROM forgotten_channel WHERE sequence <= ?'),
    saveFamily: one('INSERT OR REPLACE INTO family VALUES (?, ?, ?)'),
    foldFamilies: one('DELETE FROM family WHERE forgotten_through <= ?'),
    indexEvents: one(
      'INSERT INTO channel_event SELECT channel, position FROM event WHERE position > ? ORDER BY channel, position',
    ),
    unindexEvent: one('DELETE FROM channel_event WHERE channel = ? AND position = ?'),
    unindexThrough: one('DELETE FROM channel_event WHERE channel = ? AND position <= ?'),
    oldestEvents: many(
      `SELECT channel_event.position, event.time_ms, length(event.body) FROM channel_event LEFT JOIN event USING (position)
         WHERE channel_event.channel = ? ORDER BY channel_event.position LIMIT ?`,
    ),
    oldestPositions: many('SELECT position FROM channel_event WHERE channel = ? ORDER BY position LIMIT ?'),
    timeAndBytes: many('SELECT time_ms, length(body) FROM event WHERE position = ?'),
    findKey: one('SELECT fingerprint, position, channel, time_ms AS timeMs FROM idempotency_key WHERE key = ?'),
    insertKey: one('INSERT OR REPLACE INTO idempotency_key VALUES (?, ?, ?, ?, ?)'),
    oldestKey: one('SELECT min(time_ms) AS timeMs FROM idempotency_key'),
    purgeKeys: one(
      'DELETE FROM idempotency_key WHERE key IN (SELECT key FROM idempotency_key WHERE time_ms <= ? ORDER BY time_ms LIMIT ?)',
    ),
    reserve: one('UPDATE state SET reserved_through = ?'),
    setIndexed: one('UPDATE state SET indexed_through = ?'),
    setTrimmed: one('UPDATE state SET trims = ?, forgotten = ?, forgotten_through = ?'),
    checkpoint: one('PRAGMA wal_checkpoint(PASSIVE)'),
    restartWal: one('PRAGMA wal_checkpoint(RESTART)'),
  };
}
