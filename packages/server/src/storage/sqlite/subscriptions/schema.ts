import { join } from 'node:path';
import type { DatabaseFile } from '../database-file.ts';

/** The file's name in the data folder. */
export const SUBSCRIPTIONS_FILE = 'subscriptions.sqlite';
/** The file beside it with the number of its durable commits. */
export const MARK_FILE = 'subscriptions-committed.json';

/** `plsb` in ASCII. */
export const APPLICATION_ID = 0x706c7362;

export const REPAIR: string =
  'Nothing has been changed. Restore a backup, and subscriptions continue from its checkpoints. Or move the file away, and ' +
  'create the subscriptions again.';

/**
 * Awaited changes have to survive a power loss. Checkpoints may be lost in one, since deliveries
 * after them may be repeated.
 */
export const PRAGMAS: string =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA secure_delete = ON; ' +
  'PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF';

/**
 * The steps from each schema version to the next. Steps are only ever added.
 *
 * - `definition` and `standing`: one row each for a subscription. The definition changes seldom,
 *   the status all the time.
 * - `open_event`: an event that was taken up and is not done. `aside` is 1 for an event outside its
 *   channel's order. In rows older than the column it is 1 for subscriptions without an order.
 * - `attempt.failed` is 1 for an attempt that did not deliver. `rest` is the attempt as JSON, and
 *   `bytes` its length. `last` is the last position of a batch, else `position`. Older rows take
 *   their epoch from the event's id in the `webhook-id` header that was sent, or else from `state`.
 * - `dead_letter.epoch`: older rows take the epoch of the attempt that they come from if it is
 *   stored, or else of `state`.
 * - `standing.lost_epoch` and `lost_after`: a position in a lost log. The subscription still has to
 *   receive the gap for it.
 * - `standing.held`: the number of events that the cursor has passed and that wait behind open
 *   ones. NULL for none, and in rows older than the column.
 * - `state`: the epoch of the log that positions belong to.
 * - `committed` counts transactions: see `storage/sqlite/committed-mark.ts`.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 0), epoch TEXT NOT NULL) STRICT;
   CREATE TABLE definition (id TEXT PRIMARY KEY, version INTEGER NOT NULL, definition TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE standing (
     subscription TEXT PRIMARY KEY,
     state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'paused', 'suspended', 'ended')),
     reason TEXT NOT NULL,
     since_ms INTEGER NOT NULL,
     cursor INTEGER NOT NULL,
     failing_since_ms INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE open_event (
     subscription TEXT NOT NULL,
     position INTEGER NOT NULL,
     channel TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     due_ms INTEGER NOT NULL,
     lease TEXT,
     held_after INTEGER,
     PRIMARY KEY (subscription, position)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE replay (
     subscription TEXT NOT NULL,
     id TEXT NOT NULL,
     after INTEGER NOT NULL,
     channel TEXT,
     through INTEGER NOT NULL,
     reached INTEGER NOT NULL,
     done INTEGER NOT NULL,
     PRIMARY KEY (subscription, id)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE dead_letter (
     subscription TEXT NOT NULL,
     position INTEGER NOT NULL,
     channel TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     since_ms INTEGER NOT NULL,
     outcome TEXT NOT NULL,
     detail TEXT NOT NULL,
     PRIMARY KEY (subscription, position)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE attempt (
     number INTEGER PRIMARY KEY,
     subscription TEXT NOT NULL,
     failed INTEGER NOT NULL,
     position INTEGER NOT NULL,
     bytes INTEGER NOT NULL,
     rest TEXT NOT NULL
   ) STRICT;
   CREATE INDEX attempt_of ON attempt (subscription, failed, number, bytes);
   CREATE INDEX attempt_at ON attempt (position, number);`,
  'ALTER TABLE standing ADD COLUMN lost_epoch TEXT; ALTER TABLE standing ADD COLUMN lost_after INTEGER;',
  `ALTER TABLE attempt ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
   ALTER TABLE attempt ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
   UPDATE attempt SET last = position, epoch = coalesce((SELECT epoch FROM state), '');
   UPDATE attempt SET epoch = substr(json_extract(rest, '$.request.headers."webhook-id"'), 1, 10)
     WHERE json_extract(rest, '$.request.headers."webhook-id"') GLOB '??????????-???????????';
   CREATE INDEX attempt_batch ON attempt (last, position, number) WHERE last > position;`,
  'ALTER TABLE standing ADD COLUMN rest_until_ms INTEGER;',
  'ALTER TABLE replay ADD COLUMN lost_epoch TEXT; ALTER TABLE replay ADD COLUMN lost_after INTEGER;',
  'ALTER TABLE standing ADD COLUMN held INTEGER;',
  `CREATE TABLE letter (
     subscription TEXT NOT NULL,
     epoch TEXT NOT NULL,
     position INTEGER NOT NULL,
     channel TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     since_ms INTEGER NOT NULL,
     outcome TEXT NOT NULL,
     detail TEXT NOT NULL,
     PRIMARY KEY (subscription, epoch, position)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO letter SELECT subscription,
       coalesce((SELECT epoch FROM attempt
           WHERE attempt.subscription = dead_letter.subscription AND attempt.position = dead_letter.position AND failed = 1
             AND json_extract(rest, '$.startedMs') <= since_ms + 1
           ORDER BY number DESC LIMIT 1),
         (SELECT epoch FROM state), ''),
       position, channel, attempts, since_ms, outcome, detail
     FROM dead_letter;
   DROP TABLE dead_letter;
   ALTER TABLE letter RENAME TO dead_letter;`,
  `CREATE TABLE committed (id INTEGER PRIMARY KEY CHECK (id = 0), count INTEGER NOT NULL) STRICT;
   INSERT INTO committed VALUES (0, 0);`,
  `ALTER TABLE open_event ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
   UPDATE open_event SET aside = 1 WHERE subscription IN
     (SELECT id FROM definition WHERE json_valid(definition) AND json_extract(definition, '$.ordering') = 'none');`,
];

/** The file of subscriptions in a data folder. */
export function subscriptionsFile(folder: string): DatabaseFile {
  return {
    file: join(folder, SUBSCRIPTIONS_FILE),
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    pragmas: PRAGMAS,
    repair: REPAIR,
  };
}
