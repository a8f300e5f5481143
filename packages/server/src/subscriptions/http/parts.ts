import type { Refusal, SubscriptionService } from '../state/ports.ts';
import type { SubscriptionSettings } from '../state/settings.ts';
import type { Services } from '../../http/services.ts';

/** Dependencies of the subscription routes. */
export interface SubscriptionParts {
  readonly services: Services;
  /** The service that writes an audit entry for each change (`audited-service.ts`). */
  readonly subscriptions: SubscriptionService;
  readonly settings: SubscriptionSettings;
  /** The reason why the hub may not send to a URL, as far as it is known without a name lookup. */
  readonly urlProblem: (url: string) => Refusal | undefined;
  /** Whether the endpoint needs no verification. */
  readonly isTrustedEndpoint: (url: string) => boolean;
  /** Sample data of an event type, as JSON; `undefined` if there is none. */
  readonly sampleOf: (type: string) => string | undefined;
}
