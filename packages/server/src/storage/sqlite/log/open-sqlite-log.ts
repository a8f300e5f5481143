import { existsSync } from 'node:fs';
import type { Log } from '../../../core/ports.ts';
import type { ThreadModule } from '../../../platform/package-files.ts';
import { CHANNELS_MAX_DEFAULT } from '../../shared/log-limits.ts';
import { Thread } from '../thread.ts';
import type { DatabaseMismatch } from './generation-file.ts';
import { logFiles } from './log-files.ts';
import type { OpenedLog, ReaderRequest, WriterOptions, WriterRequest } from './messages.ts';
import { closeThreads, SqliteLog, type LogLogger } from './sqlite-log.ts';

export interface SqliteLogOptions {
  /** A data folder that this process has locked. */
  readonly folder: string;
  readonly channelsMax?: number;
  /** Only of a view. */
  readonly auditEntriesMax?: number;
  /** Wall clock, in milliseconds since 1970. The name of the epoch is derived from it. */
  readonly nowMs?: () => number;
  /** A random number in [0, 1). The name of the epoch is derived from it. */
  readonly chance?: () => number;
  readonly logger?: LogLogger;
}

/**
 * Opens the log in a data folder. SQLite runs in two threads: one writes and one reads. Neither
 * blocks the event loop or the other thread. In a new folder the reader starts with the
 * first event.
 * @throws DataFolderError when the log is damaged, too new, or inaccessible
 */
export function openSqliteLog(options: SqliteLogOptions): Promise<Log> {
  return openWithWriter(options, 'log-writer', (...parts) => new SqliteLog(...parts));
}

/** @param module the thread of the writer */
export async function openWithWriter<Opened extends SqliteLog>(
  {
    folder,
    channelsMax = CHANNELS_MAX_DEFAULT,
    auditEntriesMax = 0,
    nowMs = Date.now,
    chance = Math.random,
    logger = NO_LOGGER,
  }: SqliteLogOptions,
  module: ThreadModule,
  create: (...parts: ConstructorParameters<typeof SqliteLog>) => Opened,
): Promise<Opened> {
  const startWriter = (): Thread<WriterRequest> => {
    const options: WriterOptions = { folder, channelsMax, auditEntriesMax, nowMs: nowMs(), chance: chance() };
    return new Thread<WriterRequest>(module, options);
  };
  const startReader = (): Thread<ReaderRequest> => new Thread<ReaderRequest>('log-reader', { folder });
  const isNew = !existsSync(logFiles(folder).database);
  const writer = startWriter();
  const reader = startReader();
  try {
    writer.start();
    if (!isNew) reader.start();
    const opened = await writer.request<OpenedLog>({ kind: 'open' });
    logMismatch(opened, folder, logger);
    if (!isNew) await reader.request({ kind: 'open' });
    return create(writer, reader, opened, { startWriter, startReader, logger });
  } catch (error) {
    await closeThreads(writer, reader);
    throw error;
  }
}

const NO_LOGGER: LogLogger = { warn: () => undefined, error: () => undefined };

const MISMATCH_MESSAGES: Readonly<Record<DatabaseMismatch, string>> = {
  copied: 'log: new epoch, the database is a copy',
  older: 'log: new epoch, the database is older than the last one written in this folder',
  lost_commits: 'log: new epoch, the newest acknowledged events are missing from the database',
};

function logMismatch({ mismatch, epoch }: OpenedLog, folder: string, logger: LogLogger): void {
  if (mismatch === undefined) return;
  const level = mismatch === 'lost_commits' ? 'error' : 'warn';
  logger[level]({ folder, epoch, why: mismatch }, MISMATCH_MESSAGES[mismatch]);
}
