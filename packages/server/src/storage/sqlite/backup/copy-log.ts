import type { DatabaseSync } from 'node:sqlite';
import type { LogSummary } from './backup-format.ts';

/**
 * Copies the log into a backup while its hub writes. A reader of SQLite that keeps one snapshot for
 * the whole copy would stop the hub from emptying its write-ahead log. So most events are copied in
 * short reads, oldest first: an event never changes, and no event is added before another. One
 * last short read then copies the newest events and all other tables in one snapshot.
 *
 * Retention may remove events that are copied already. It removes the oldest events of a channel
 * only. So each channel in the copy has its newest `count` events, and the others are
 * removed there. An erasure may remove any event. So the last read lists what is left of the
 * channels with erasures, and all else of them is removed.
 */
export class LogCopy {
  readonly #copy: DatabaseSync;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #sync: () => void;
  #copiedThrough = 0;

  /**
   * @param copy the connection of the backup, with the log attached as `source`
   * @param sync writes the backup to the disk, so that no large write is left for the end
   */
  constructor(copy: DatabaseSync, pause: (ms: number) => Promise<void>, sync: () => void) {
    this.#copy = copy;
    this.#pause = pause;
    this.#sync = sync;
  }

  /** Creates the tables of the log, as the source has them. */
  createTables(): void {
    // Of an event that is removed from the copy, no byte stays in the file.
    this.#copy.exec('PRAGMA secure_delete = ON');
    for (const { sql } of this.#schema('table')) this.#copy.exec(sql);
  }

  /** Copies the events that exist now. @param onProgress receives the copied fraction */
  async copyEvents(onProgress: (fraction: number) => void): Promise<void> {
    const { head, first } = this.#one<{ head: number; first: number }>(
      'SELECT coalesce(max(position), 0) AS head, coalesce(min(position), 0) AS first FROM source.event',
    );
    const copy = this.#copy.prepare(
      'INSERT INTO main.event SELECT * FROM source.event WHERE position > ? ORDER BY position LIMIT ?',
    );
    this.#copiedThrough = first - 1;
    for (let rows = ROWS_FIRST; this.#copiedThrough < head;) {
      const startMs = performance.now();
      copy.run(this.#copiedThrough, Math.round(rows));
      const readMs = performance.now() - startMs;
      this.#copiedThrough = this.#one<{ through: number }>('SELECT max(position) AS through FROM main.event').through;
      this.#sync();
      onProgress(Math.min(1, (this.#copiedThrough - first + 1) / (head - first + 1)));
      rows = Math.min(ROWS_MAX, Math.max(1, rows * Math.min(2, READ_MS / readMs)));
      // The hub needs the processor and the disk more.
      await this.#pause(Math.min(PAUSE_MS_MAX, performance.now() - startMs));
    }
  }

  /** Copies the newest events and all other tables of one moment. */
  copyRest(): void {
    const copy = this.#copy;
    copy.exec('BEGIN');
    const { indexedThrough } = this.#one<{ indexedThrough: number }>(
      'SELECT indexed_through AS indexedThrough FROM source.state',
    );
    // Events that are not indexed may have been replaced after they were copied.
    const from = Math.min(indexedThrough, this.#copiedThrough);
    copy.prepare('DELETE FROM main.event WHERE position > ?').run(from);
    copy.prepare('INSERT INTO main.event SELECT * FROM source.event WHERE position > ? ORDER BY position').run(from);
    this.#listErasures();
    for (const { name } of this.#schema('table'))
      if (name !== 'event' && name !== 'channel_event')
        copy.exec(`INSERT INTO main."${name}" SELECT * FROM source."${name}"`);
    copy.exec('COMMIT');
    for (const { sql } of this.#schema('index')) copy.exec(sql);
    this.#sync();
  }

  /** The channels with erasures, and what is left of them. The index finds it without a scan. */
  #listErasures(): void {
    const copy = this.#copy;
    copy.exec(
      `CREATE TEMP TABLE erased_channel (id INTEGER PRIMARY KEY);
       CREATE TEMP TABLE left_event (channel INTEGER, position INTEGER, PRIMARY KEY (channel, position)) WITHOUT ROWID`,
    );
    const { count } = this.#one<{ count: number }>(
      "SELECT count(*) AS count FROM pragma_table_info('channel', 'source') WHERE name = 'erased_through'",
    );
    // A folder of an earlier version has no erasures.
    if (count === 0) return;
    copy.exec(
      `INSERT INTO erased_channel SELECT id FROM source.channel WHERE erased_through > 0;
       INSERT INTO left_event SELECT channel, position FROM source.channel_event
         WHERE channel IN (SELECT id FROM erased_channel) ORDER BY channel, position`,
    );
  }

  /** Removes the events that an erasure removed after they were copied. */
  #removeErased(): void {
    const erased = `channel IN (SELECT id FROM erased_channel) AND NOT EXISTS (SELECT 1 FROM left_event
       WHERE left_event.channel = channel_event.channel AND left_event.position = channel_event.position)`;
    this.#copy.exec(
      `DELETE FROM event WHERE position IN (SELECT position FROM channel_event WHERE ${erased});
       DELETE FROM channel_event WHERE ${erased}`,
    );
  }

  /** Builds the index, and removes events that the hub has removed. The source is not used. */
  finish(): Pick<LogSummary, 'head' | 'events' | 'channels' | 'incompleteChannels' | 'epoch'> {
    const copy = this.#copy;
    copy.exec(
      'INSERT INTO channel_event SELECT channel, position FROM event WHERE position <= (SELECT indexed_through FROM state) ORDER BY channel, position',
    );
    const found = copy.prepare(
      `SELECT channel, count(*) AS found, coalesce((SELECT count FROM channel WHERE id = channel), 0) AS wanted
         FROM channel_event GROUP BY channel HAVING found != wanted`,
    );
    const remove = copy.prepare('DELETE FROM event WHERE position = ?');
    const oldest = copy.prepare('SELECT position FROM channel_event WHERE channel = ? ORDER BY position LIMIT ?');
    const unindex = copy.prepare('DELETE FROM channel_event WHERE channel = ? AND position <= ?');
    let incompleteChannels = 0;
    copy.exec('BEGIN');
    this.#removeErased();
    for (const row of found.all() as unknown as readonly ChannelCount[]) {
      const { channel, found: copied, wanted } = row;
      if (copied < wanted) incompleteChannels++;
      if (copied <= wanted) continue;
      const removed = oldest.all(channel, copied - wanted) as unknown as readonly { readonly position: number }[];
      for (const { position } of removed) remove.run(position);
      unindex.run(channel, removed.at(-1)?.position ?? 0);
    }
    copy.exec('COMMIT');
    this.#sync();
    const summary = this.#one<Omit<LogSummary, 'schema' | 'incompleteChannels'>>(
      `SELECT epoch, (SELECT count(*) FROM event) AS events, (SELECT count(*) FROM channel) AS channels,
         coalesce((SELECT max(position) FROM event), 0) AS head FROM state`,
    );
    return { ...summary, incompleteChannels };
  }

  #schema(type: 'table' | 'index'): readonly { readonly name: string; readonly sql: string }[] {
    return this.#copy
      .prepare(
        "SELECT name, sql FROM source.sqlite_schema WHERE type = ? AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
      )
      .all(type) as unknown as readonly { readonly name: string; readonly sql: string }[];
  }

  #one<Row>(sql: string): Row {
    return this.#copy.prepare(sql).get() as Row;
  }
}

interface ChannelCount {
  readonly channel: number;
  readonly found: number;
  readonly wanted: number;
}

/** Rows of the first read. Later reads take as many as fit into the time. */
const ROWS_FIRST = 500;
const ROWS_MAX = 50_000;
/** The time of one read. For so long the hub cannot empty its write-ahead log. */
const READ_MS = 40;
/** The longest pause after a read. Up to it, the backup takes half of the time at most. */
const PAUSE_MS_MAX = 100;
