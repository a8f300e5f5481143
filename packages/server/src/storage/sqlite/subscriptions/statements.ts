import type { DatabaseSync, StatementSync } from 'node:sqlite';

export type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

/** @throws SQLite's error for a file that it cannot read */
export function prepare(database: DatabaseSync): Statements {
  const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(prepared) as Statements;
}

/**
 * The attempts of an event by its position and epoch, alone or in a batch. Only batches with a
 * range that covers the position are read.
 */
const ATTEMPTS_AT = `
     SELECT number FROM attempt WHERE position = ?1 AND epoch = ?2
     UNION ALL
     SELECT number FROM attempt WHERE last > position AND last >= ?1 AND position < ?1 AND epoch = ?2
       AND EXISTS (SELECT 1 FROM json_each(rest, '$.others') WHERE value = ?1)`;

const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  epoch: 'SELECT epoch FROM state',
  putEpoch: 'INSERT OR REPLACE INTO state VALUES (0, ?)',
  committed: 'SELECT count FROM committed',
  countUp: 'UPDATE committed SET count = count + 1',
  ids: 'SELECT id FROM definition',
  putDefinition: 'INSERT OR REPLACE INTO definition VALUES (?, ?, ?)',
  putStatus: 'INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  putOpen: 'INSERT OR REPLACE INTO open_event VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  dropOpen: 'DELETE FROM open_event WHERE subscription = ? AND position = ?',
  putReplay: 'INSERT OR REPLACE INTO replay VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  dropReplay: 'DELETE FROM replay WHERE subscription = ? AND id = ?',
  putDeadLetter: 'INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  dropDeadLetter: 'DELETE FROM dead_letter WHERE subscription = ? AND epoch = ? AND position = ?',
  removeDefinition: 'DELETE FROM definition WHERE id = ?',
  removeStatus: 'DELETE FROM standing WHERE subscription = ?',
  removeOpen: 'DELETE FROM open_event WHERE subscription = ?',
  removeReplays: 'DELETE FROM replay WHERE subscription = ?',
  removeDeadLetters: 'DELETE FROM dead_letter WHERE subscription = ?',
  removeAttempts: 'DELETE FROM attempt WHERE subscription = ?',
  subscriptions: `SELECT id, definition, state, reason, since_ms AS sinceMs, cursor, failing_since_ms AS failingSinceMs,
       lost_epoch AS lostEpoch, lost_after AS lostAfter, rest_until_ms AS restUntilMs, held
     FROM definition LEFT JOIN standing ON standing.subscription = definition.id WHERE id > ? ORDER BY id LIMIT ?`,
  openOf: `SELECT position, channel, attempts, due_ms AS dueMs, lease, held_after AS heldAfter, aside AS isAside
     FROM open_event WHERE subscription = ? ORDER BY position`,
  replaysOf: `SELECT id, after, channel, through, reached, done, lost_epoch AS lostEpoch, lost_after AS lostAfter
     FROM replay WHERE subscription = ? AND done = 0 ORDER BY id`,
  deadLettersOf: 'SELECT count(*) AS count FROM dead_letter WHERE subscription = ?',
  deadLetters: `SELECT subscription, epoch, position, channel, attempts, since_ms AS sinceMs, outcome, detail
     FROM dead_letter WHERE subscription = ? AND (epoch, position) > (?, ?) ORDER BY epoch, position LIMIT ?`,
  putAttempt: 'INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  attemptCounts: `SELECT subscription, failed, count(*) AS count, sum(bytes) AS bytes FROM attempt GROUP BY subscription, failed`,
  attemptsLast: 'SELECT coalesce(max(number), 0) AS last FROM attempt',
  attempts: 'SELECT epoch, rest FROM attempt WHERE number < ? ORDER BY number DESC LIMIT ?',
  attemptsOf: `SELECT epoch, rest FROM attempt WHERE number IN (
     SELECT number FROM (SELECT number FROM attempt WHERE subscription = ?1 AND failed = 0 AND number < ?2 ORDER BY number DESC LIMIT ?3)
     UNION ALL
     SELECT number FROM (SELECT number FROM attempt WHERE subscription = ?1 AND failed = 1 AND number < ?2 ORDER BY number DESC LIMIT ?3)
   ) ORDER BY number DESC LIMIT ?3`,
  attemptsAt: `SELECT epoch, rest FROM attempt WHERE number IN (${ATTEMPTS_AT}) AND number < ?3 ORDER BY number DESC LIMIT ?4`,
  attemptsOfAt: `SELECT epoch, rest FROM attempt WHERE number IN (${ATTEMPTS_AT}) AND number < ?3 AND subscription = ?5
     ORDER BY number DESC LIMIT ?4`,
  eraseAttemptsAt: `DELETE FROM attempt WHERE number IN (${ATTEMPTS_AT})`,
  eraseAttemptsWith: 'DELETE FROM attempt WHERE instr(rest, ?) > 0',
  emptyWal: 'PRAGMA wal_checkpoint(TRUNCATE)',
  /** Deletes all but the newest ?3 attempts of one kind. */
  dropAttemptsOf: `DELETE FROM attempt WHERE subscription = ?1 AND failed = ?2 AND number <=
     (SELECT number FROM attempt WHERE subscription = ?1 AND failed = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)`,
  dropAttemptsOldest: 'DELETE FROM attempt WHERE number IN (SELECT number FROM attempt ORDER BY number LIMIT ?)',
};
