import type { Config } from '../config/parse.ts';
import type { Log } from '../core/ports.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { openSqliteLog, type LogLogger } from '../storage/sqlite/log/sqlite-log.ts';
import type { World } from '../operate/world.ts';
import { restrictDataFolder } from '../storage/sqlite/private-files.ts';

/**
 * Opens the log of the configuration. It removes other users' access to an existing data folder.
 */
export function openLog({ data, limits }: Config, { clock, random }: World, logger: LogLogger): Promise<Log> | Log {
  const options = { channelsMax: limits.channelsMax, nowMs: () => clock.nowMs(), chance: () => random.fraction() };
  if (data === ':memory:') return createMemoryLog(options);
  for (const { path, mode, isRestricted: isNarrowed } of restrictDataFolder(data))
    logger.warn(
      { path, mode },
      isNarrowed
        ? 'data folder: other users had access, removed'
        : 'data folder: other users have access, and removing it failed',
    );
  return openSqliteLog({ ...options, folder: data, logger });
}
