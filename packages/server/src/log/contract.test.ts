import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { logContract } from './contract/contract.ts';
import { createMemoryLog } from './memory.ts';
import { openSqliteLog } from './sqlite/sqlite-log.ts';

logContract('memory', (options) => Promise.resolve(createMemoryLog(options)));

logContract('sqlite', async (options) => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-log-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return openSqliteLog({ folder, ...options });
});
