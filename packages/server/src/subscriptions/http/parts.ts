import type { PortalOwner, StoredPortalLink } from '../../core/access/portal-link.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Actor } from '../../core/audit.ts';
import type { EventTypes } from '../../core/events/event-types.ts';
import type { Dialects } from '../state/dialect.ts';
import type { PullService } from '../state/pull-service.ts';
import type { Sender } from '../state/sender.ts';
import type { AuditedServices } from '../audited-service.ts';
import type { SubscriptionSettings } from '../settings.ts';
import type { HistoryParts } from '../../auth/history-permission.ts';
import type { Sessions } from '../../auth/sessions.ts';

/** Dependencies of the subscription routes. */
export interface SubscriptionParts extends HistoryParts, AuditedServices {
  readonly sessions: Sessions;
  readonly limits: RequestLimits;
  /** Pull subscriptions, for workers. */
  readonly pullService: PullService;
  readonly settings: SubscriptionSettings;
  readonly dialects: Dialects;
  readonly sender: Pick<Sender, 'send' | 'urlProblem'>;
  /** Whether the endpoint needs no verification. */
  readonly isTrustedEndpoint: (url: string) => boolean;
  readonly eventTypes: EventTypes;
  readonly portal: PortalParts;
}

/** What the routes of portal links need. */
export interface PortalParts {
  readonly links: PortalLinkService;
  readonly settings: PortalSettings;
  /** The URL by which others reach the hub; `null`: the one that a request names. */
  readonly publicUrl: string | null;
}

/** `portal` in the configuration. */
export interface PortalSettings {
  readonly channels: readonly string[];
  readonly linkSecondsMax: number;
}

/** Creates portal links, and finds the link of a principal. */
export interface PortalLinkService {
  create(
    link: PortalOwner & { readonly theme: Readonly<Record<string, string>>; readonly expiresMs: number },
    by: Actor,
  ): Promise<{ readonly id: string; readonly token: string }>;
  linkOf(principal: Principal): StoredPortalLink | undefined;
}

/** The bounds of one request. Reads of channels have the same ones. */
export interface RequestLimits {
  readonly channelsPerConsumerMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly pollBytesMax: number;
}
