import type { IdentityStoreSettings } from '../core/access/identity-settings.ts';
import type { ErasedUser, IdentityFollower, IdentityStore, LoginSigner } from '../core/access/identity-store.ts';
import type { Clock } from '../core/ports.ts';
import { AuditLog } from './audit.ts';
import { ApiKeys } from './api-keys.ts';
import { localKeyChanges, sharedKeyChanges, type KeyChanges } from './key-changes.ts';
import { StoredErasureRequests } from './erasure-requests.ts';
import { PortalLinks } from './portal-links.ts';
import { RevocationList } from './revocation-list.ts';

export interface IdentityLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The stored part of access control: keys, revocations and the audit log. */
export interface Identity {
  readonly keys: ApiKeys;
  readonly keyChanges: KeyChanges;
  readonly revocations: RevocationList;
  readonly audit: AuditLog;
  readonly erasureRequests: StoredErasureRequests;
  /** Users who were erased in this cluster before the start. */
  readonly erasedUsers: readonly ErasedUser[];
  readonly portalLinks: PortalLinks;
  /** The hubs of a cluster whose console logins are valid at the start. */
  readonly loginSigners: readonly LoginSigner[];
  /** Calls the listener with those that come later. There is one listener. */
  onLoginSigner(listener: (signer: LoginSigner) => void): void;
  /** Acknowledged changes were missing from the file when it was opened. */
  readonly hasLostCommits: boolean;
  /** Called about once a second. Never throws: failed writes are repeated. */
  maintain(): void;
  close(): void;
}

/** Loads keys and revocations from a store that no other process uses. @throws DataFolderError */
export function openIdentity(
  store: IdentityStore,
  settings: IdentityStoreSettings,
  clock: Clock,
  logger: IdentityLogger,
): Identity {
  const stored = store.load();
  const audit = new AuditLog({
    store,
    clock,
    onEntry: ({ action, subject, by, detail }) => logger.info({ action, subject, by, detail }, 'audit'),
    onWriteFailed: (error) => logger.error({ error: String(error) }, 'audit log: write of an entry failed, entry lost'),
  });
  const revocations = new RevocationList(
    { store, audit, clock, keptMs: settings.revocationsKeptSeconds * 1000, countMax: settings.revocationsMax },
    stored.revocations,
  );
  const onEnded: RevocationList['endSessions'] = (revocation) => revocations.endSessions(revocation);
  const revokedBefore = (id: string): number => revocations.keyRevokedBefore(id);
  const { shared, hearing } = store;
  const countMax = settings.keysMax;
  const reach = hearing && (() => hearing.reach());
  const keys = new ApiKeys({ store, audit, clock, countMax, revokedBefore, onEnded, reach }, stored);
  const keyChanges = shared === undefined ? localKeyChanges(keys) : sharedKeyChanges({ keys, audit, shared, countMax });
  // A portal link ends with the key of its creator, and has no secret of that key.
  revocations.isKeyNoLongerValid = (principal) =>
    principal.portal === undefined ? keys.isNoLongerValid(principal) : keys.get(principal.key ?? '') === undefined;
  const portalLinks = new PortalLinks({ store, audit, clock, shared }, stored.portalLinks);
  const loginSigners = [...(stored.loginSigners ?? [])];
  let onSigner = (signer: LoginSigner): void => void loginSigners.push(signer);
  const erasureRequests = new StoredErasureRequests(store, audit, stored.erasures);
  store.follow?.(
    followerOf({ keys, revocations, portalLinks, erasureRequests, onSigner: (signer) => onSigner(signer) }),
  );
  let lastPruneMs = clock.nowMs();
  const writeDue = (): void => {
    const nowMs = clock.nowMs();
    keys.maintain(nowMs);
    if (nowMs - lastPruneMs < PRUNE_INTERVAL_MS) return;
    lastPruneMs = nowMs;
    revocations.prune(nowMs);
    portalLinks.prune(nowMs);
  };
  const maintain = (): void => {
    try {
      store.maintain(writeDue);
    } catch (error) {
      logger.error({ error: String(error) }, 'identity store: write failed, retrying');
    }
  };
  const close = (): void => {
    try {
      keys.writeLastUsed(clock.nowMs());
    } catch (error) {
      logger.error({ error: String(error) }, 'identity store: write of last-use times of keys failed');
    }
    store.close();
  };
  return {
    keys,
    keyChanges,
    revocations,
    audit,
    erasureRequests,
    erasedUsers: stored.erasedUsers ?? [],
    portalLinks,
    loginSigners,
    onLoginSigner: (listener) => void (onSigner = listener),
    hasLostCommits: stored.hasLostCommits,
    maintain,
    close,
  };
}

const PRUNE_INTERVAL_MS = 3_600_000;

interface Followed extends Pick<Identity, 'keys' | 'revocations' | 'portalLinks' | 'erasureRequests'> {
  readonly onSigner: (signer: LoginSigner) => void;
}

/** What the other processes and hubs have changed takes effect here. */
function followerOf({ keys, revocations, portalLinks, erasureRequests, onSigner }: Followed): IdentityFollower {
  return {
    changed(changes) {
      for (const change of changes) {
        if (change.kind === 'revocation') revocations.apply(change.revocation);
        else if (change.kind === 'session_revoked') revocations.endSessions(change);
        else if (change.kind === 'portal_link') portalLinks.apply(change.link);
        else if (change.kind === 'portal_links_pruned') portalLinks.prune(change.beforeMs);
        else if (change.kind === 'login_signer') onSigner(change.signer);
        else if (change.kind === 'erasure' || change.kind === 'erasure_finished') erasureRequests.apply(change);
        else keys.apply(change);
      }
    },
    replaced(identity) {
      keys.replaceAll(identity.keys);
      for (const revocation of identity.revocations) revocations.apply(revocation);
      for (const link of identity.portalLinks ?? []) portalLinks.apply(link);
      for (const signer of identity.loginSigners ?? []) onSigner(signer);
      if (identity.erasures !== undefined) erasureRequests.replaceAll(identity.erasures);
    },
  };
}
