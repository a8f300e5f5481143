import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { eventsBlock, GENESIS } from '../../../contract/log/log-fixtures.ts';
import { ViewWriter } from './view-writer.ts';

const EVENTS_PER_BLOCK = 4_096;

test('a view that is behind its journal collects more events before it indexes them', () => {
  const options = { channelsMax: 10, auditEntriesMax: 10, nowMs: Date.now(), chance: 0.5 };
  const writer = new ViewWriter({ ...options, folder: temporaryFolder() });
  onTestFinished(() => writer.log.close());
  const indexed = (): unknown => writer.log.database.prepare('SELECT count(*) AS count FROM channel_event').get();
  const apply = (sequence: number, isBehind: boolean): void => {
    writer.apply([sequence === 1 ? GENESIS : eventsBlock(sequence, EVENTS_PER_BLOCK)], isBehind);
    if (writer.log.isHousekeepingDue) writer.log.runHousekeeping();
  };
  for (let sequence = 1; sequence <= 4; sequence++) apply(sequence, true);
  expect(indexed()).toEqual({ count: 0 });
  apply(5, false);
  expect(indexed()).toEqual({ count: 4 * EVENTS_PER_BLOCK });
});
