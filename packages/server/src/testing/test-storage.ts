import type { StorageOptions } from '../storage/home.ts';

/** Options for the storage of a test, which must not report anything. */
export function testStorageOptions(data: string, options: Partial<StorageOptions> = {}): StorageOptions {
  const fail = (fields: object, message: string): never => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`);
  };
  return {
    data,
    channelsMax: 1_000_000,
    attempts: { keptMax: 200, allMax: 200_000 },
    auditEntriesMax: 1000,
    clock: { nowMs: Date.now },
    random: { fraction: Math.random },
    logger: { warn: fail, error: fail },
    ...options,
  };
}
