/** A test or hook that is not over by then hangs, also on a shared machine at a tenth of the usual speed. */
export const TEST_TIMEOUT_MS = 120_000;
/** The same for one that starts many processes, browsers or long loads. */
export const SLOW_TEST_TIMEOUT_MS = 480_000;
/** How long a condition is waited for at least: so much less than a test may last that what is missing is told. */
export const CONDITION_TIMEOUT_MS = 60_000;
