import { describe, test } from 'vitest';
import { NATS_SERVER } from '../../kit/brokers.ts';
import { ROUND_FAULTS, runRound } from './fault-round.ts';

/**
 * The same rounds in every run, so that a failure is of the change that is tested. `run.ts` takes
 * others. They run side by side, since most of a fault is waiting for an election.
 */
const ROUNDS = [1, 2, 3, 5, 7];
/** Few events, so that five clusters leave the other tests most of two cores. */
const LOAD = { pauseMs: 50, events: 5 };
const TIMEOUT_MS = 1_500_000;

describe.skipIf(NATS_SERVER === undefined)('100 random faults of hubs, brokers and their network', () => {
  test.concurrent.for(ROUNDS)(
    'each confirmed event is at every hub and webhook, no gap is false, and all hubs agree on data, leases and users: round %d',
    { timeout: TIMEOUT_MS },
    async (round, { expect }) => {
      const report = (line: string): void => console.log(`round ${round}: ${line}`);
      const { faults, text, failure } = await runRound(round, { load: LOAD, report });
      report(text);
      if (failure !== undefined) throw new Error(`${text}: ${failure.message}`, { cause: failure });
      expect(faults.length).toBeGreaterThanOrEqual(ROUND_FAULTS);
    },
  );
});
