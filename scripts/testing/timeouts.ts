/** The timeout of a test or hook, for a shared machine at a tenth of the usual speed. */
export const TEST_TIMEOUT_MS = 120_000;
/** The timeout of one that starts many processes, browsers or long loads. */
export const SLOW_TEST_TIMEOUT_MS = 480_000;
/**
 * The timeout of a condition. It is shorter than that of a test, so that the failure names the
 * condition.
 */
export const CONDITION_TIMEOUT_MS = 60_000;
