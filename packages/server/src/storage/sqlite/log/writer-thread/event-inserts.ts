import type { SQLInputValue } from 'node:sqlite';
import type { Position } from '../../../../core/ports.ts';
import { EVENTS_PER_INSERT, type WriterStatements } from './writer-statements.ts';

const COLUMNS = 7;

/**
 * Events that wait to be inserted together. SQLite and Node need some 1.2 µs of CPU for each event
 * of a statement with eight, and 1.8 for a statement with one. Example: a commit of 19 events has
 * two statements with eight events each, and three with one.
 *
 * A statement that reads or removes events, and the end of the transaction, come after `finish`.
 * After a failure nothing is inserted any more: the connection is replaced.
 */
export class EventInserts {
  readonly #statements: WriterStatements;
  /** The values of all waiting events, one event after the other. */
  readonly #values: SQLInputValue[] = [];

  constructor(statements: WriterStatements) {
    this.#statements = statements;
  }

  /** @param body is read until `finish` */
  add(
    position: Position,
    channel: number,
    type: string | undefined,
    timeMs: number,
    body: Uint8Array,
    checksum: number,
    trace: string | undefined,
  ): void {
    this.#values.push(position, channel, type ?? null, timeMs, body, checksum, trace ?? null);
    if (this.#values.length < EVENTS_PER_INSERT * COLUMNS) return;
    this.#statements.insertEvents.run(...this.#values);
    this.#values.length = 0;
  }

  /** Inserts the events that wait. */
  finish(): void {
    const values = this.#values;
    for (let at = 0; at < values.length; at += COLUMNS)
      this.#statements.insertEvent.run(...values.slice(at, at + COLUMNS));
    values.length = 0;
  }
}
