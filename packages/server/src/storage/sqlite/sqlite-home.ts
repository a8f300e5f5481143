import { join } from 'node:path';
import type { Home, StorageLogger } from '../home.ts';
import { lockDataFolder, noteAddress } from './data-folder.ts';
import { openIdentityStore } from './identity/sqlite-identity-store.ts';
import { IN_FLIGHT_FILE, openInFlightJournal } from './in-flight-journal-file.ts';
import { recordVersion } from './folder-version.ts';
import { removeLog } from './log/log-files.ts';
import { openSqliteLog } from './log/open-sqlite-log.ts';
import { openPresenceStore } from './presence/sqlite-presence-store.ts';
import { openSessionStore } from './sessions/file-session-store.ts';
import { ringBounds } from '../shared/ring-bounds.ts';
import type { ExposedPath } from './private-files.ts';
import { stoppedHubFolder } from './stopped-hub-folder.ts';
import { openSubscriptionStore } from './subscriptions/sqlite-subscription-store.ts';

/** A folder with SQLite files. */
export const sqliteHome: Home = {
  lock({ data: folder, logger }) {
    const { release } = lockDataFolder(folder, (exposed) => reportExposed(exposed, logger));
    recordVersion(folder);
    return release;
  },

  noteAddress: ({ data: folder }, hub) => noteAddress(folder, hub),

  openLog({ data: folder, limits: { channelsMax }, clock, random, logger }) {
    const nowMs = (): number => clock.nowMs();
    return openSqliteLog({ folder, channelsMax, nowMs, chance: () => random.fraction(), logger });
  },

  async openView({ data: folder, identity: { auditEntriesMax } }) {
    // A hub without a cluster loads no module of it.
    const { openSqliteView } = await import('./log/sqlite-view.ts');
    return openSqliteView({ folder, auditEntriesMax });
  },

  wipeView: ({ data: folder }) => removeLog(folder),

  async viewCopies({ data: folder }) {
    const { sqliteViewCopies } = await import('./log/sqlite-view-copies.ts');
    return sqliteViewCopies(folder);
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

  openSessionJournal: ({ data: folder, sessions, clock }, epoch) =>
    openSessionStore({ folder, epoch, nowMs: clock.nowMs(), ...ringBounds(sessions) }),

  openInFlightJournal: ({ data: folder, logger }) =>
    openInFlightJournal(join(folder, IN_FLIGHT_FILE), (error) =>
      logger.warn(
        { error: String(error) },
        'webhooks: write of the in-flight journal failed; after a crash the cause cannot be found',
      ),
    ),

  stoppedHub: stoppedHubFolder,
};

function reportExposed({ path, mode, isRestricted }: ExposedPath, logger: StorageLogger): void {
  logger.warn(
    { path, mode },
    isRestricted
      ? 'data folder: removed the access of other users'
      : 'data folder: other users have access, removal failed',
  );
}
