import { parseConfig } from '../config/parse.ts';
import type { StorageOptions } from '../storage/home.ts';

/** Options for the storage of a test, which must not report any error. */
export function testStorageOptions(data: string, options: Partial<StorageOptions> = {}): StorageOptions {
  const fail = (fields: object, message: string): never => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`);
  };
  return {
    data,
    limits: { channelsMax: 1_000_000 },
    identity: { auditEntriesMax: 1000 },
    sessions: { journalEntriesMax: 1000, journalMaxAgeSeconds: 86_400 },
    subscriptions: { attemptsKept: 200, attemptsKeptMax: 200_000 },
    clock: { nowMs: Date.now },
    random: { fraction: Math.random },
    logger: { info: () => undefined, warn: fail, error: fail },
    cluster: parseConfig({}).cluster,
    eventBytesMax: 256 * 1024,
    ...options,
  };
}
