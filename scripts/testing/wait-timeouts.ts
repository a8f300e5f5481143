import { expect, vi } from 'vitest';
import { CONDITION_TIMEOUT_MS } from './timeouts.ts';

/**
 * Runs before every test file. The default timeout of vitest's waits is a second, too short for a
 * busy machine. The configuration can change it for `expect.poll`, but not for `vi.waitFor`. A test
 * may ask for more time, but not for less: a condition that holds late is no failure.
 */
const { waitFor } = vi;
vi.waitFor = (condition, options = {}) => {
  const given = typeof options === 'number' ? { timeout: options } : options;
  return waitFor(condition, { ...given, timeout: Math.max(CONDITION_TIMEOUT_MS, given.timeout ?? 0) });
};
const { poll } = expect;
expect.poll = (condition, options = {}) =>
  poll(condition, { ...options, timeout: Math.max(CONDITION_TIMEOUT_MS, options.timeout ?? 0) });
