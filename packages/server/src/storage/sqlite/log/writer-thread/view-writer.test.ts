import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { record } from '../../../contract/log/log-fixtures.ts';
import { encodeExactBatch } from '../../../shared/batch-codec.ts';
import type { Block } from '../../../view/block.ts';
import { commandBytes } from '../../../view/view-state.ts';
import { ViewWriter } from './view-writer.ts';

const EVENTS_PER_BLOCK = 4_096;

test('a view that is behind its journal collects more events before it indexes them', () => {
  const options = { channelsMax: 10, auditEntriesMax: 10, nowMs: Date.now(), chance: 0.5 };
  const writer = new ViewWriter({ ...options, folder: temporaryFolder() });
  onTestFinished(() => writer.log.close());
  const indexed = (): unknown => writer.log.database.prepare('SELECT count(*) AS count FROM channel_event').get();
  const apply = (sequence: number, isBehind: boolean): void => {
    writer.apply([sequence === 1 ? GENESIS : eventsBlock(sequence)], isBehind);
    if (writer.log.isHousekeepingDue) writer.log.runHousekeeping();
  };
  for (let sequence = 1; sequence <= 4; sequence++) apply(sequence, true);
  expect(indexed()).toEqual({ count: 0 });
  apply(5, false);
  expect(indexed()).toEqual({ count: 4 * EVENTS_PER_BLOCK });
});

const GENESIS: Block = {
  sequence: 1,
  id: 'g-1',
  kind: 'genesis',
  data: new Uint8Array(commandBytes({ format: 1, epoch: '0t24qj92dx', channelsMax: 10 })),
};

function eventsBlock(sequence: number): Block {
  const records = Array.from({ length: EVENTS_PER_BLOCK }, () => record('a'));
  return { sequence, id: `h-${sequence}`, kind: 'events', data: new Uint8Array(encodeExactBatch(records)) };
}
