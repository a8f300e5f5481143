import { describe, onTestFinished } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { appendTests, conditionTests, retainTests } from './append.ts';
import { eraseTests } from './erase.ts';
import { forgetTests } from './forget.ts';
import { pageTests, readTests } from './read.ts';
import type { OpenLog } from './log-fixtures.ts';
import { closeTests, countTests, listTests, trimTests } from './maintenance.ts';

/**
 * Tests for the contract of `Log` in core/ports.ts. They run against each implementation.
 * @param isWriter false for the log of a follower: its metrics count no commits, and what the owner
 * does for it is tested with `POLYCAST_HEAVY=1` alone
 */
export function logContract(name: string, open: OpenLog, { isWriter = true } = {}): void {
  const openLog = async (options: { readonly channelsMax?: number } = {}): Promise<Log> => {
    const log = await open(options);
    onTestFinished(() => log.close());
    return log;
  };
  const ofWriter = describe.skipIf(!isWriter && process.env['POLYCAST_HEAVY'] === undefined);
  describe(name, () => {
    describe('append', () => appendTests(openLog));
    describe('idempotency keys and ifLatest', () => conditionTests(openLog));
    describe('retain', () => retainTests(openLog));
    describe('read', () => readTests(openLog));
    ofWriter('read in small pages', () => pageTests(openLog));
    ofWriter('trim', () => trimTests(openLog));
    describe('erase', () => eraseTests(openLog));
    ofWriter('forgetting', () => forgetTests(openLog));
    describe('channels', () => listTests(openLog));
    if (isWriter) describe('count', () => countTests(openLog));
    describe('close', () => closeTests(openLog, isWriter));
  });
}
