import type { AccessPolicy } from '../core/access/access-policy.ts';
import type { AuditLog } from '../identity/audit.ts';
import type { ApiKeys } from '../identity/api-keys.ts';
import type { KeyChanges } from '../identity/key-changes.ts';
import type { RevocationList } from '../identity/revocation-list.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { SessionJournal } from '../sessions/session-journal.ts';
import type { HubSelf } from '../core/cluster-state.ts';
import type { Feed } from '../core/feed.ts';
import type { PresenceView } from '../core/presence/presence-types.ts';
import type { Log } from '../core/ports.ts';
import type { Actor } from '../core/audit.ts';
import type { ErasureTask } from '../operate/erasure-task.ts';
import type { HubInCluster } from '../operate/hub-status.ts';
import type { ReloadOutcome } from './reload-route.ts';

/** The dependencies of the administration routes. */
export interface AdministrationParts {
  readonly auth: AuthParts;
  readonly feed: Feed;
  readonly log: Log;
  readonly sessions: Sessions;
  /** `undefined`: sessions are not recorded. */
  readonly journal: SessionJournal | undefined;
  readonly presence: PresenceView;
  readonly keys: ApiKeys;
  readonly keyChanges: KeyChanges;
  readonly revocations: RevocationList;
  readonly audit: AuditLog;
  /** `undefined` without access control. */
  readonly access: AccessPolicy | undefined;
  readonly erasure: ErasureTask;
  /** The hub in its cluster; `undefined` without one. */
  readonly place: () => HubInCluster | undefined;
  /** What the hub says of itself in a cluster. */
  readonly self: () => HubSelf;
  /** Reads the configuration again. */
  readonly reload: (by: Actor) => Promise<ReloadOutcome>;
}
