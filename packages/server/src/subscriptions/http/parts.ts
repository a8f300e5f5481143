import type { EventTypes } from '../../core/events/event-types.ts';
import type { Dialects } from '../state/dialect.ts';
import type { Sender, SubscriptionService } from '../state/ports.ts';
import type { SubscriptionSettings } from '../state/settings.ts';
import type { Services } from '../../http/services.ts';

/** Dependencies of the subscription routes. */
export interface SubscriptionParts {
  readonly services: Services;
  /** The service that writes an audit entry for each change (`audited-service.ts`). */
  readonly subscriptions: SubscriptionService;
  readonly settings: SubscriptionSettings;
  readonly dialects: Dialects;
  readonly sender: Pick<Sender, 'send' | 'urlProblem'>;
  /** Whether the endpoint needs no verification. */
  readonly isTrustedEndpoint: (url: string) => boolean;
  readonly eventTypes: EventTypes;
}
