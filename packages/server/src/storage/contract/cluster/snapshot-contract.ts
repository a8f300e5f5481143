import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SnapshotStore } from '../../cluster/snapshots/snapshot-store.ts';

/**
 * Tests for the contract of `SnapshotStore`. They run against each implementation.
 * @param folder makes a folder that is removed after the test
 * @param addedBytes what the store adds to each file
 */
export function snapshotContract(
  name: string,
  open: () => Promise<SnapshotStore>,
  folder: () => string,
  addedBytes = 0,
): void {
  describe(name, () => {
    test('snapshots come back as they were, the newest first, until they are removed', async () => {
      const store = await open();
      const [from, to] = [join(folder(), 'from'), join(folder(), 'to')];
      expect(await store.list()).toEqual([]);
      const sizes = [1, 131_072, 700_001];
      for (const [index, size] of sizes.entries()) {
        await writeFile(from, Buffer.alloc(size, `${index}.`));
        await store.write({ sequence: 9 + index, id: `a-${index}`, epoch: `e${index}` }, from);
      }
      const listed = await store.list();
      expect(listed.map(({ sequence, id, epoch, bytes }) => [sequence, id, epoch, bytes])).toEqual([
        [11, 'a-2', 'e2', 700_001 + addedBytes],
        [10, 'a-1', 'e1', 131_072 + addedBytes],
        [9, 'a-0', 'e0', 1 + addedBytes],
      ]);
      await store.removeLeftovers();
      for (const [index, snapshot] of listed.toReversed().entries()) {
        let received = 0;
        await store.read(snapshot, to, (bytes) => (received = bytes));
        expect(Buffer.compare(await readFile(to), Buffer.alloc(snapshot.bytes - addedBytes, `${index}.`))).toBe(0);
        expect(received).toBe(snapshot.bytes);
      }
      const [newest] = listed;
      if (newest === undefined) throw new Error('no snapshot');
      await store.remove(newest);
      expect((await store.list()).map(({ sequence }) => sequence)).toEqual([10, 9]);
      await expect(store.read(newest, to, () => undefined)).rejects.toThrow('snapshot');
    });

    test('a write that fails leaves nothing that is listed', async () => {
      const store = await open();
      await expect(store.write({ sequence: 1, id: 'a-1', epoch: 'e' }, join(folder(), 'absent'))).rejects.toThrow(
        'ENOENT',
      );
      expect(await store.list()).toEqual([]);
    });
  });
}
