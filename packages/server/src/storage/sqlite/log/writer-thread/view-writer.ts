import type { DatabaseSync } from 'node:sqlite';
import type { Block } from '../../../view/block.ts';
import { applyBlock, WRITERS_MAX, type WriterNumbers } from '../../../view/view-state.ts';
import type { BlockOutcome, ViewState } from '../../../view/log-view.ts';
import type { AppliedBlocks, OpenedLog, WriterOptions } from '../messages.ts';
import { readViewState } from '../view-state-table.ts';
import { LogWriter } from './log-writer.ts';

/** The writer of a view: the blocks of a request and the state after them are one transaction. */
export class ViewWriter {
  readonly log: LogWriter;
  #state: ViewState;
  #tables: ViewTables | undefined;

  /** @throws DataFolderError */
  constructor(options: WriterOptions) {
    this.log = new LogWriter(options, 'view');
    this.#state = readViewState(this.log.database);
  }

  get opened(): OpenedLog {
    return { ...this.log.opened, applied: this.#state };
  }

  /** @throws UnavailableError when no block was applied */
  apply(blocks: readonly Block[]): AppliedBlocks {
    let state = this.#state;
    const outcomes: BlockOutcome[] = [];
    const head = this.log.change((changes) => {
      const tables = this.#tablesOf(this.log.database);
      for (const block of blocks) {
        if (block.sequence !== state.sequence + 1)
          throw new Error(`block ${block.sequence} does not follow block ${state.sequence}`);
        const applied = applyBlock(state, block, changes, tables);
        state = applied.state;
        outcomes.push(applied.outcome);
      }
      tables.save(state);
      return changes.head;
    });
    this.#state = state;
    return { state, outcomes, head };
  }

  /** The connection is another one after a failure. */
  #tablesOf(database: DatabaseSync): ViewTables {
    if (this.#tables?.database !== database) this.#tables = new ViewTables(database);
    return this.#tables;
  }
}

/** The tables that only a view has (`open-database.ts`). */
class ViewTables implements WriterNumbers {
  readonly database: DatabaseSync;
  readonly #save;
  readonly #find;
  readonly #insert;
  readonly #prune;

  constructor(database: DatabaseSync) {
    this.database = database;
    this.#save = database.prepare('INSERT OR REPLACE INTO journal_view VALUES (1, ?)');
    this.#find = database.prepare('SELECT number FROM journal_writer WHERE incarnation = ?');
    this.#insert = database.prepare('INSERT OR REPLACE INTO journal_writer VALUES (?, ?, ?)');
    this.#prune = database.prepare(
      `DELETE FROM journal_writer WHERE incarnation IN
         (SELECT incarnation FROM journal_writer ORDER BY sequence DESC LIMIT -1 OFFSET ?)`,
    );
  }

  save(state: ViewState): void {
    this.#save.run(JSON.stringify(state));
  }

  get(incarnation: string): number {
    return (this.#find.get(incarnation) as { number: number } | undefined)?.number ?? 0;
  }

  set(incarnation: string, number: number, sequence: number): void {
    const isNew = this.get(incarnation) === 0;
    this.#insert.run(incarnation, number, sequence);
    if (isNew) this.#prune.run(WRITERS_MAX);
  }
}
