/**
 * A test or hook that is not over by then hangs, also on a shared machine at a tenth of the usual
 * speed.
 */
export const TEST_TIMEOUT_MS = 120_000;
/** The same for one that starts many processes, browsers or long loads. */
export const SLOW_TEST_TIMEOUT_MS = 480_000;
/**
 * The least wait for a condition. It is shorter than the timeout of a test, so that the failure
 * names the condition.
 */
export const CONDITION_TIMEOUT_MS = 60_000;
