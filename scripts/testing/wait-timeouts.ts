import { vi } from 'vitest';
import { CONDITION_TIMEOUT_MS } from './timeouts.ts';

/**
 * Runs before every test file. The default timeout of vitest's waits is a second, too short for a
 * busy machine. The configuration can change it for `expect.poll`, but not for `vi.waitFor`.
 */
const { waitFor } = vi;
vi.waitFor = (condition, options = {}) => {
  const given = typeof options === 'number' ? { timeout: options } : options;
  return waitFor(condition, { ...given, timeout: Math.max(CONDITION_TIMEOUT_MS, given.timeout ?? 0) });
};
