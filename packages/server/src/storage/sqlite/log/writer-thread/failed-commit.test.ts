import { StatementSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { eventsBlock, GENESIS, record } from '../../../contract/log/log-fixtures.ts';
import { encodeExactBatch } from '../../../shared/batch-codec.ts';
import { LogWriter } from './log-writer.ts';
import { ViewWriter } from './view-writer.ts';

const OPTIONS = { channelsMax: 10, auditEntriesMax: 10, nowMs: Date.now(), chance: 0.5 };

test('a commit that failed and is on the disk all the same is not applied again', () => {
  const writer = new ViewWriter({ ...OPTIONS, folder: temporaryFolder() });
  onTestFinished(() => writer.log.close());
  writer.apply([GENESIS]);
  const block = eventsBlock(2);
  failOneCommit('COMMIT', () => writer.apply([block]));
  writer.log.probe();
  expect(writer.opened).toMatchObject({ head: 1, applied: { sequence: 2, id: 'h-2' } });
  const [outcome] = writer.apply([{ ...block, sequence: 3, id: 'h-3' }]).outcomes;
  expect(outcome).toMatchObject({ kind: 'appended', firstPosition: 2 });
});

test('a log whose commit failed and is on the disk all the same goes on after its event', () => {
  const writer = new LogWriter({ ...OPTIONS, folder: temporaryFolder() });
  onTestFinished(() => writer.close());
  writer.append(batch());
  // A single event of a known channel is a transaction of one statement.
  failOneCommit('INSERT INTO event ', () => writer.append(batch()));
  writer.probe();
  expect(writer.append(batch())).toMatchObject({ firstPosition: 3, notAppended: [] });
});

function batch(): ArrayBuffer {
  return new Uint8Array(encodeExactBatch([record('a')])).buffer;
}

/**
 * The frames are in the write-ahead log, and a later step of the commit fails.
 * @param commit the start of the statement that commits
 */
function failOneCommit(commit: string, write: () => void): void {
  const { run } = StatementSync.prototype;
  const failing = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (
    this: StatementSync,
    ...values
  ) {
    const result = run.apply(this, values);
    if (this.sourceSQL.startsWith(commit)) throw new Error('database or disk is full');
    return result;
  });
  expect(write).toThrow('full');
  failing.mockRestore();
}
