import { onTestFinished, vi } from 'vitest';
import { connect, type ConnectOptions, type Connection } from '../index.ts';

/**
 * Patience for tests: what takes seconds in the field takes tens of milliseconds here. But for silence: only a test that silences
 * somebody says how long that is, for on a busy machine every hub is silent for a while.
 */
export const FAST_TIMING: ConnectOptions = {
  readyTimeoutMs: 20_000,
  backoffBaseMs: 20,
  backoffCapMs: 200,
  pollIntervalMs: 50,
};

/** A connection that is closed when the test ends. */
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

/** The numbers from 1. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
