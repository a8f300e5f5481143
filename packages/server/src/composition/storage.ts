import type { Config } from '../config/parse.ts';
import type { World } from '../operate/world.ts';
import type { StorageLogger } from '../storage/home.ts';
import { openStorage, type Storage } from '../storage/open-storage.ts';

/** Opens the storage of the configuration. */
export function openConfiguredStorage(
  { data, limits, subscriptions, identity }: Config,
  { clock, random }: World,
  logger: StorageLogger,
): Promise<Storage> {
  const { attemptsKept: keptMax, attemptsKeptMax: allMax } = subscriptions;
  return openStorage({
    data,
    channelsMax: limits.channelsMax,
    attempts: { keptMax, allMax },
    auditEntriesMax: identity.auditEntriesMax,
    clock,
    random,
    logger,
  });
}
