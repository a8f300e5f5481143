import { onTestFinished } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub, type Hub } from '../hub.ts';

/**
 * A hub in this process that stores nothing and gives this machine every permission. It is closed
 * when the test ends.
 */
export async function openTestHub(...settings: readonly string[]): Promise<Hub> {
  const { config } = loadConfig({
    settings: ['access=loopback', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error', ...settings],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return hub;
}
