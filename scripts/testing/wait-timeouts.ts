import { vi } from 'vitest';
import { CONDITION_TIMEOUT_MS } from './timeouts.ts';

/**
 * Runs before every file of tests. What vitest waits for by itself, a second, is no measure of
 * anything but of how busy a machine is; for `expect.poll` its configuration can say another time,
 * for `vi.waitFor` it cannot.
 */
const { waitFor } = vi;
vi.waitFor = (condition, options = {}) => {
  const given = typeof options === 'number' ? { timeout: options } : options;
  return waitFor(condition, { ...given, timeout: Math.max(CONDITION_TIMEOUT_MS, given.timeout ?? 0) });
};
