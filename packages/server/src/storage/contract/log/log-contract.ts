import { describe, onTestFinished } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { appendTests, conditionTests, retainTests } from './append.ts';
import { forgetTests } from './forget.ts';
import { pageTests, readTests } from './read.ts';
import type { OpenLog } from './log-fixtures.ts';
import { closeTests, listTests, trimTests } from './maintenance.ts';

/** Tests for the contract of `Log` in core/ports.ts. They run against each implementation. */
export function logContract(name: string, open: OpenLog): void {
  const openLog = async (options: { readonly channelsMax?: number } = {}): Promise<Log> => {
    const log = await open(options);
    onTestFinished(() => log.close());
    return log;
  };
  describe(name, () => {
    describe('append', () => appendTests(openLog));
    describe('idempotency keys and ifLatest', () => conditionTests(openLog));
    describe('retain', () => retainTests(openLog));
    describe('read', () => readTests(openLog));
    describe('read in small pages', () => pageTests(openLog));
    describe('trim', () => trimTests(openLog));
    describe('forgetting', () => forgetTests(openLog));
    describe('channels', () => listTests(openLog));
    describe('close', () => closeTests(openLog));
  });
}
