import { describe, onTestFinished } from 'vitest';
import type { Log } from '../../core/ports.ts';
import { appending, deciding, retaining } from './append.ts';
import { forgetting } from './forget.ts';
import { paging, reading } from './read.ts';
import type { OpenLog } from './records.ts';
import { closing, listing, trimming } from './upkeep.ts';

/** What core/ports.ts promises of every `Log`, in tests: run against each home. */
export function logContract(home: string, open: OpenLog): void {
  const opened = async (options: { readonly channelsMax?: number } = {}): Promise<Log> => {
    const log = await open(options);
    onTestFinished(() => log.close());
    return log;
  };
  describe(home, () => {
    describe('append', () => appending(opened));
    describe('idempotency keys and ifLatest', () => deciding(opened));
    describe('retain', () => retaining(opened));
    describe('read', () => reading(opened));
    describe('read in small pages', () => paging(opened));
    describe('trim', () => trimming(opened));
    describe('forgetting', () => forgetting(opened));
    describe('channels', () => listing(opened));
    describe('close', () => closing(opened));
  });
}
