/** The file's name in the data folder. */
export const SUBSCRIPTIONS_FILE = 'subscriptions.sqlite';
/** Beside it: how far it was committed. */
export const MARK_FILE = 'subscriptions-committed.json';

/** `plsb` in ASCII. */
export const APPLICATION_ID = 0x706c7362;

export const REPAIR: string =
  'Nothing has been changed. Put a backup in its place, and subscriptions go on from where they stood then; or move it away, and ' +
  'subscriptions have to be made anew.';

/** Where subscriptions stand is needed again by whoever has lost power; what is being noted may be repeated. */
export const PRAGMAS: string =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA secure_delete = ON; ' +
  'PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF';

/**
 * What leads from each schema version to the next. A list that is only ever added to.
 *
 * - `definition` and `standing`: one row each for a subscription; what is asked for changes seldom, where it stands all the time.
 * - `open_event`: taken up, and not done. `aside` is 1 for an event by itself; of rows from before it was kept, where order plays no part.
 * - `attempt.failed` is 1 for what was not delivered; `bytes` is the length of `rest`, which holds what nobody asks by. `last` is
 *   the last place of a batch, else `position`; an event's own id was sent with it, which is how older ones are known to be of a log.
 * - `dead_letter.epoch`: rows from before it was kept are of the log of the attempt that they are of, where that is kept, else of `state`.
 * - `standing.lost_epoch` and `lost_after`: a place in a log that is no more, of which the subscription has still to be told.
 * - `standing.held`: events that the cursor has passed, behind what is open; NULL for none, and of rows from before it was counted.
 * - `state`: the log's epoch that positions are of.
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
