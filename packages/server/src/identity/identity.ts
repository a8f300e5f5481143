import type { IdentityStoreSettings } from '../core/access/identity-settings.ts';
import type { Clock } from '../core/ports.ts';
import { AuditLog } from './audit.ts';
import { ApiKeys } from './api-keys.ts';
import { RevocationList } from './revocation-list.ts';
import { openIdentityStore } from '../storage/sqlite/identity/identity-store.ts';

export interface IdentityLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The stored part of access control: keys, revocations and the audit log. */
export interface Identity {
  readonly keys: ApiKeys;
  readonly revocations: RevocationList;
  readonly audit: AuditLog;
  /** Acknowledged changes were missing from the file when it was opened. */
  readonly hasLostCommits: boolean;
  /** Called about once a second. Never throws: failed writes are repeated. */
  maintain(): void;
  close(): void;
}

/**
 * Opens the identity store of a data folder. No other process may use the folder.
 * @param data the folder, or `:memory:`
 * @throws DataFolderError
 */
export function openIdentity(
  data: string,
  settings: IdentityStoreSettings,
  clock: Clock,
  logger: IdentityLogger,
): Identity {
  const store = openIdentityStore(data);
  const { hasLostCommits } = store;
  if (hasLostCommits) logger.error({ data }, LOST_COMMITS_MESSAGE);
  try {
    const audit = new AuditLog({
      store,
      clock,
      entriesMax: settings.auditEntriesMax,
      onEntry: ({ action, subject, by, detail }) => logger.info({ action, subject, by, detail }, 'audit'),
      onWriteFailed: (error) => logger.error({ error: String(error) }, 'audit log: write of an entry failed, retrying'),
    });
    const revocations = new RevocationList({
      store,
      audit,
      clock,
      keptMs: settings.revocationsKeptSeconds * 1000,
      countMax: settings.revocationsMax,
    });
    const onEnded: RevocationList['endSessions'] = (revocation) => revocations.endSessions(revocation);
    const revokedBefore = (id: string): number => revocations.keyRevokedBefore(id);
    const keys = new ApiKeys({ store, audit, clock, countMax: settings.keysMax, revokedBefore, onEnded });
    revocations.isKeyNoLongerValid = (principal) => keys.isNoLongerValid(principal);
    let lastPruneMs = clock.nowMs();
    const maintain = (): void => {
      const nowMs = clock.nowMs();
      // The next call, a second later, does this work.
      if (store.isCheckpointing) return;
      try {
        // The revocation is in force already, and its caller has had an answer.
        void store.settle().catch(() => undefined);
        keys.maintain(nowMs);
        if (nowMs - lastPruneMs >= PRUNE_INTERVAL_MS) {
          lastPruneMs = nowMs;
          revocations.prune(nowMs);
        }
        store.checkpointIfNeeded();
      } catch (error) {
        logger.error({ error: String(error) }, 'identity store: write failed, retrying');
      }
    };
    const close = (): void => {
      try {
        keys.writeLastUsed(clock.nowMs());
      } catch (error) {
        logger.error(
          { error: String(error) },
          'identity store: write of the time of last use of keys failed, retrying',
        );
      }
      const lost = store.close();
      if (lost > 0) logger.error({ data, count: lost }, LOST_REVOCATIONS);
    };
    return { keys, revocations, audit, hasLostCommits, maintain, close };
  } catch (error) {
    store.close();
    throw error;
  }
}

const LOST_COMMITS_MESSAGE =
  'identity store: the newest acknowledged changes are missing from identity.sqlite; revoked keys and tokens may be accepted again';
const LOST_REVOCATIONS =
  'identity store: the last revocations were not stored; revoked credentials may be accepted after a restart';
const PRUNE_INTERVAL_MS = 3_600_000;
