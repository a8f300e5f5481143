import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { logContract } from './log/log-contract.ts';
import { createMemoryLog } from '../memory/memory-log.ts';
import { openSqliteLog } from '../sqlite/log/sqlite-log.ts';

logContract('memory', (options) => Promise.resolve(createMemoryLog(options)));

logContract('sqlite', async (options) => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-log-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return openSqliteLog({ folder, ...options });
});
