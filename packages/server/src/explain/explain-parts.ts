import type { AccessPolicy } from '../core/access/access-policy.ts';
import type { ChannelRules } from '../core/access/channel-rules.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import type { SubscriptionReads } from '../subscriptions/state/ports.ts';
import type { SessionSources } from '../sessions/live-sessions.ts';

/** The parts of a hub that know something about an event's way. */
export interface ExplainParts extends SessionSources {
  readonly auth: AuthParts;
  readonly feed: Feed;
  readonly log: Log;
  readonly rules: ChannelRules;
  /** `undefined` without access control. */
  readonly access: AccessPolicy | undefined;
  readonly subscriptions: SubscriptionReads;
  /** When the rules in force were loaded: at the start, or by a reload. */
  readonly rulesLoaded: () => { readonly timeMs: number; readonly byReload: boolean };
}
