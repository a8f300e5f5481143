import { pause } from '../../kit/wait.ts';

/**
 * A hub in trouble. Its alerts must fire for its name, which is the `instance` of its metrics.
 * Example: the scene `disk` has a hub whose disk is full for some seconds.
 */
export interface Scene {
  readonly name: string;
  readonly url: string;
  /** The alerts that must fire. */
  readonly alerts: readonly string[];
  /**
   * Brings the hub into trouble, and keeps it there until `hasFired` answers yes for all of them.
   */
  provoke(hasFired: (alert: string) => Promise<boolean>): Promise<void>;
}

const ROUNDS_MAX = 300;
const ROUND_PAUSE_MS = 200;

/** Repeats a step until alerts have fired. */
export async function repeatUntilFired(
  alerts: readonly string[],
  hasFired: (alert: string) => Promise<boolean>,
  step: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  const pending = new Set(alerts);
  for (let round = 0; pending.size > 0; round++) {
    if (round === ROUNDS_MAX) throw new Error(`Did not fire: ${[...pending].join(', ')}`);
    await step();
    for (const alert of pending) if (await hasFired(alert)) pending.delete(alert);
    await pause(ROUND_PAUSE_MS);
  }
}
