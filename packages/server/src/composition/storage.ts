import { openStorage, type Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';

/** Opens the storage of the configuration. */
export async function openConfiguredStorage({ config, world, logger, shutdown }: HubBase): Promise<Storage> {
  const { data, limits, subscriptions, identity } = config;
  const { attemptsKept: keptMax, attemptsKeptMax: allMax } = subscriptions;
  const { clock, random } = world;
  const storage = await openStorage({
    data,
    channelsMax: limits.channelsMax,
    attempts: { keptMax, allMax },
    auditEntriesMax: identity.auditEntriesMax,
    clock,
    random,
    logger,
  });
  shutdown.add('log', () => storage.log.close());
  // Last, for the lock: from then on another process may open the data folder.
  shutdown.add('storage', () => storage.close());
  return storage;
}
