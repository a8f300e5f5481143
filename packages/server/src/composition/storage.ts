import { largestEventBytes } from '../config/largest-event.ts';
import { openStorage, type Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';
import type { HubProcesses } from './processes/hub-processes.ts';

/**
 * Opens the storage of the configuration. With several processes, the owner's data or a view of it.
 */
export async function openConfiguredStorage(
  { config, world, logger, shutdown }: HubBase,
  processes: HubProcesses | undefined,
): Promise<Storage> {
  const options = { ...config, ...world, logger, eventBytesMax: largestEventBytes(config) };
  const storage = processes === undefined ? await openStorage(options) : await processes.openStorage(options);
  shutdown.add('requests', () => storage.log.shared?.onHubCloses());
  shutdown.add('log', () => storage.log.close());
  // Last, for the lock: from then on another process may open the data folder.
  shutdown.add('storage', () => storage.close());
  return storage;
}
