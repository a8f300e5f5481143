import { onTestFinished, vi } from 'vitest';
import { connect, type ConnectOptions, type Connection } from '../index.ts';

/**
 * Timeouts for tests: tens of milliseconds instead of seconds in production. Silence is the
 * exception: on a busy machine every hub is silent for a while. So only a test that makes a hub
 * silent sets that timeout.
 */
export const FAST_TIMING: ConnectOptions = {
  readyTimeoutMs: 20_000,
  backoffBaseMs: 20,
  backoffCapMs: 200,
  pollIntervalMs: 50,
};

/** Makes a connection that is closed when the test ends. */
export function connectForTest(url: string, options: ConnectOptions = {}): Connection {
  const connection = connect(url, { ...FAST_TIMING, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

/** Waits for a condition, as long as the test may last. */
export function until(condition: () => boolean, what: string = condition.toString()): Promise<void> {
  return vi.waitFor(
    () => {
      if (!condition()) throw new Error(`It did not come to be: ${what}`);
    },
    { interval: 5 },
  );
}

/** The numbers from 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
