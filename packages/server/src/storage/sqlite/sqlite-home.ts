import { join } from 'node:path';
import type { Home, StorageLogger } from '../home.ts';
import { lockDataFolder } from './data-folder.ts';
import { openIdentityStore } from './identity/sqlite-identity-store.ts';
import { IN_FLIGHT_FILE, openInFlightJournal } from './in-flight-journal-file.ts';
import { recordVersion } from './folder-version.ts';
import { openSqliteLog } from './log/sqlite-log.ts';
import { openPresenceStore } from './presence/sqlite-presence-store.ts';
import type { ExposedPath } from './private-files.ts';
import { openSubscriptionStore } from './subscriptions/sqlite-subscription-store.ts';

/** A folder with SQLite files. */
export const sqliteHome: Home = {
  lock({ data: folder, logger }) {
    const { release } = lockDataFolder(folder, (exposed) => reportExposed(exposed, logger));
    recordVersion(folder);
    return release;
  },

  openLog({ data: folder, limits: { channelsMax }, clock, random, logger }) {
    const nowMs = (): number => clock.nowMs();
    return openSqliteLog({ folder, channelsMax, nowMs, chance: () => random.fraction(), logger });
  },

  openSubscriptions: ({ data: folder, subscriptions: { attemptsKept, attemptsKeptMax }, logger }) =>
    openSubscriptionStore({
      folder,
      bounds: { attemptsKept, attemptsKeptMax },
      onUnavailable: (error) => logger.error({ error: String(error) }, 'subscription store: write failed, retrying'),
    }),

  openIdentity: ({ data: folder, identity: { auditEntriesMax }, logger }) =>
    openIdentityStore({ folder, auditEntriesMax, logger }),

  openPresence: ({ data: folder }, epoch) => openPresenceStore(folder, epoch),

  openInFlightJournal: ({ data: folder, logger }) =>
    openInFlightJournal(join(folder, IN_FLIGHT_FILE), (error) =>
      logger.warn(
        { error: String(error) },
        'webhooks: write of the in-flight journal failed; after a crash the cause cannot be found',
      ),
    ),
};

function reportExposed({ path, mode, isRestricted }: ExposedPath, logger: StorageLogger): void {
  logger.warn(
    { path, mode },
    isRestricted
      ? 'data folder: removed the access of other users'
      : 'data folder: other users have access, removal failed',
  );
}
