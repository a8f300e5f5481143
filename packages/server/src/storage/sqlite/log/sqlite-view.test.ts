import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { eventsBlock, GENESIS } from '../../contract/log/log-fixtures.ts';
import type { LogView } from '../../view/log-view.ts';
import { openSqliteView } from './sqlite-view.ts';

test('the events of a block that is released leave the memory, unless somebody follows', async () => {
  const view = await openView();
  const first = eventsBlock(2);
  await view.apply([GENESIS, first]);
  expect(first.data.byteLength).toBeGreaterThan(0);
  for (const block of [GENESIS, first]) view.release(block);
  expect([GENESIS.data.byteLength > 0, first.data.byteLength]).toEqual([true, 0]);

  const positions: number[] = [];
  view.followPacked((events) => positions.push(...events.unpack().map(({ position }) => position)));
  const followed = eventsBlock(3);
  await view.apply([followed]);
  view.release(followed);
  expect([followed.data.byteLength > 0, positions]).toEqual([true, [2]]);
});

async function openView(): Promise<LogView> {
  const view = await openSqliteView({ folder: temporaryFolder(), auditEntriesMax: 10 });
  onTestFinished(() => view.close());
  return view;
}
