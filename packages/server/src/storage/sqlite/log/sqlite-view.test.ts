import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { record } from '../../contract/log/log-fixtures.ts';
import { encodeExactBatch } from '../../shared/batch-codec.ts';
import type { Block } from '../../view/block.ts';
import type { LogView } from '../../view/log-view.ts';
import { commandBytes } from '../../view/view-state.ts';
import { openSqliteView } from './sqlite-view.ts';

test('the events of a block that is released leave the memory, unless somebody follows', async () => {
  const view = await openView();
  const genesis = genesisBlock();
  const first = eventsBlock(2);
  await view.apply([genesis, first]);
  expect(first.data.byteLength).toBeGreaterThan(0);
  for (const block of [genesis, first]) view.release(block);
  expect([genesis.data.byteLength > 0, first.data.byteLength]).toEqual([true, 0]);

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

function genesisBlock(): Block {
  const data = new Uint8Array(commandBytes({ format: 1, epoch: '0t24qj92dx', channelsMax: 10 }));
  return { sequence: 1, id: 'g-1', kind: 'genesis', data };
}

function eventsBlock(sequence: number): Block {
  return { sequence, id: `h-${sequence}`, kind: 'events', data: new Uint8Array(encodeExactBatch([record('a')])) };
}
