import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { BackgroundSync } from './background-sync.ts';

test('a large write-ahead log is moved into its database by a thread, and restarted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-sync-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'a.sqlite');
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
  const insert = database.prepare('INSERT INTO t (body) VALUES (zeroblob(100000))');
  const disk = new BackgroundSync(file);
  for (let round = 1; round <= 3; round++) {
    for (let n = 0; n < 50; n++) insert.run();
    await disk.sync();
    await vi.waitFor(
      () => {
        disk.checkpointIfNeeded();
        expect(statSync(file).size).toBeGreaterThan(round * 50 * 100_000);
      },
      { timeout: 20_000, interval: 20 },
    );
    // Until then the thread may hold the lock that the next write needs.
    await vi.waitFor(() => expect(disk.isCheckpointing).toBe(false), { timeout: 20_000, interval: 20 });
  }
  // Three rounds of 5 MB. The write-ahead log has restarted at its beginning in between.
  expect(statSync(`${file}-wal`).size).toBeLessThan(11_000_000);
  await disk.close();
  expect(database.prepare('SELECT count(*) AS count FROM t').get()).toEqual({ count: 150 });
  database.close();
});
