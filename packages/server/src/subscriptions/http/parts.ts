import type { EventTypes } from '../../core/events/event-types.ts';
import type { Dialects } from '../state/dialect.ts';
import type { PullService } from '../state/pull-service.ts';
import type { Sender } from '../state/sender.ts';
import type { AuditedServices } from '../audited-service.ts';
import type { SubscriptionSettings } from '../state/settings.ts';
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
}

/** The bounds of one request. Reads of channels have the same ones. */
export interface RequestLimits {
  readonly channelsPerConsumerMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly pollBytesMax: number;
}
