import { openStorage, type Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';

/** Opens the storage of the configuration. */
export async function openConfiguredStorage({ config, world, logger, shutdown }: HubBase): Promise<Storage> {
  const storage = await openStorage({ ...config, ...world, logger });
  shutdown.add('log', () => storage.log.close());
  // Last, for the lock: from then on another process may open the data folder.
  shutdown.add('storage', () => storage.close());
  return storage;
}
