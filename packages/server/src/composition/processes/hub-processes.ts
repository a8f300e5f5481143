import type { TransportName } from '@polycast/protocol';
import type { ReloadOutcome } from '../../administration/reload-route.ts';
import type { Route } from '../../auth/route.ts';
import type { Refusal } from '../../auth/refusal-log.ts';
import type { AuthParts } from '../../auth/auth-parts.ts';
import type { Sessions } from '../../auth/sessions.ts';
import type { Authority } from '../../core/access/authority.ts';
import type { Log, Position } from '../../core/ports.ts';
import type { Actor } from '../../core/audit.ts';
import type { Publisher } from '../../core/publish.ts';
import type { PresenceView } from '../../core/presence/presence-types.ts';
import type { HttpFrontend } from '../../http/http-frontend.ts';
import type { ApiKeys } from '../../identity/api-keys.ts';
import type { LoginSignatures } from '../../identity/console/login-signatures.ts';
import type { RevocationList } from '../../identity/revocation-list.ts';
import type { Metrics } from '../../operate/metrics.ts';
import type { TrimmedCache } from '../../operate/retention-task.ts';
import type { CallerStatus, HubStatus } from '../../operate/hub-status.ts';
import type { ProcessPlace } from '../../processes/process-place.ts';
import type { StorageOptions } from '../../storage/home.ts';
import type { Storage } from '../../storage/open-storage.ts';
import type { SessionJournal } from '../../sessions/session-journal.ts';
import type { OpenPulls } from '../../streams/socket-pulls.ts';

/** The parts of a hub that work with the same parts of its other processes. */
export interface JoiningParts {
  readonly log: Log;
  readonly sessions: Sessions;
  readonly presence: PresenceView;
  /** `undefined` at a follower, and where no sessions are recorded. */
  readonly journal: SessionJournal | undefined;
  readonly keys: ApiKeys;
  readonly revocations: RevocationList;
  readonly loginSignatures: LoginSignatures;
  readonly auth: AuthParts;
  readonly publisher: Publisher;
  readonly frontend: HttpFrontend;
  /** The pulls of WebSockets, as this process opens them. */
  readonly openPulls: OpenPulls;
}

/** The events that a process holds in memory. */
export interface EventCache extends TrimmedCache {
  readonly head: Position;
  onErased(positions: readonly Position[]): void;
}

export type Reload = (by: Actor) => Promise<ReloadOutcome>;
export type ReadStatus = (caller: CallerStatus) => Promise<HubStatus>;

/**
 * The side of one process in a hub of several (`serve --processes`): each part of the hub gets what
 * the other processes add to it. A hub of one process has no such object, and does nothing for it.
 * Example: the owner's `metrics` are those of all processes, and a follower's `routes` forward the
 * requests that the owner answers.
 */
export interface HubProcesses {
  readonly place: ProcessPlace;
  /** The pulls of WebSockets. `undefined`: those of this process. */
  readonly openPulls: OpenPulls | undefined;
  openStorage(options: StorageOptions): Promise<Storage>;
  /** What a user's credentials need is forgotten at every process. */
  authority(own: Authority): Authority;
  /** Removed and erased events leave the memory of every process. */
  trimmedCache(own: EventCache): TrimmedCache;
  reload(own: Reload): Reload;
  metrics(own: Metrics): Pick<Metrics, 'text' | 'contentType'>;
  status(own: ReadStatus): ReadStatus;
  routes(own: readonly Route[]): readonly Route[];
  /** Sessions in the registry of this process that are at another one. */
  countElsewhere(transport: TransportName): number;
  /** The owner records refusals of all processes in the session journal. */
  refused(refusal: Refusal): void;
  /** This process listens: from now on it works with the others. */
  join(parts: JoiningParts): Promise<void>;
}
