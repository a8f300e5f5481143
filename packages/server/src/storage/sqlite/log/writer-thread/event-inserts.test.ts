import { StatementSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { NewRecord } from '../../../../core/ports.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { record } from '../../../contract/log/log-fixtures.ts';
import { encodeExactBatch } from '../../../shared/batch-codec.ts';
import { UnavailableError } from '../../failure.ts';
import { LogWriter } from './log-writer.ts';
import { EVENTS_PER_INSERT } from './writer-statements.ts';

const COUNT = 2 * EVENTS_PER_INSERT + 3;

test('the events of a commit are stored, however many there are', () => {
  for (const count of [1, EVENTS_PER_INSERT - 1, EVENTS_PER_INSERT, EVENTS_PER_INSERT + 1, COUNT]) {
    const writer = openedWriter();
    append(writer, history(count));
    expect(positions(writer)).toEqual(Array.from({ length: count }, (_each, index) => index + 1));
  }
});

test('a value is replaced in the commit that it came with', () => {
  const writer = openedWriter();
  append(writer, [...history(2), latest(), ...history(1), latest(), latest(), ...history(EVENTS_PER_INSERT)]);
  expect(positions(writer)).toEqual([1, 2, 4, 6, ...Array.from({ length: EVENTS_PER_INSERT }, (_each, at) => at + 7)]);
});

test('the events of a commit that failed are not stored with the next one', () => {
  const writer = openedWriter();
  append(writer, history(1));
  const { run } = StatementSync.prototype;
  const failing = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (
    this: StatementSync,
    ...values
  ) {
    // The first of the last three, while all three wait.
    if (/^INSERT INTO event [^()]*\([^()]*\) VALUES \([^()]*\)$/.test(this.sourceSQL)) throw new Error('disk is full');
    return Reflect.apply(run, this, values);
  });
  try {
    expect(() => append(writer, history(COUNT))).toThrow(UnavailableError);
  } finally {
    failing.mockRestore();
  }
  append(writer, history(2));
  expect(positions(writer)).toHaveLength(3);
});

function openedWriter(): LogWriter {
  const writer = new LogWriter({ folder: temporaryFolder(), channelsMax: 10, nowMs: Date.now(), chance: 0.5 });
  onTestFinished(() => writer.close());
  return writer;
}

function append(writer: LogWriter, records: readonly NewRecord[]): void {
  writer.append(new Uint8Array(encodeExactBatch(records)).buffer);
}

function history(count: number): NewRecord[] {
  return Array.from({ length: count }, () => record('a'));
}

function latest(): NewRecord {
  return { ...record('price'), retain: 'latest' };
}

function positions(writer: LogWriter): number[] {
  return writer.database
    .prepare('SELECT position FROM event ORDER BY position')
    .all()
    .map((row) => Number(row['position']));
}
