import type { Refusal, SubscriptionService } from '../state/ports.ts';
import type { SubscriptionSettings } from '../state/settings.ts';
import type { Services } from '../../http/services.ts';

/** What the addresses of subscriptions work with. */
export interface SubscriptionParts {
  readonly services: Services;
  /** One that writes down who changes what (`audited-desk.ts`). */
  readonly subscriptions: SubscriptionService;
  readonly settings: SubscriptionSettings;
  /** What speaks against sending to an address, as far as that can be told at once. */
  readonly urlProblem: (url: string) => Refusal | undefined;
  /** Whether the endpoint needs not to be asked for its consent. */
  readonly isTrustedEndpoint: (url: string) => boolean;
  /** Data such as that of events of a type, JSON; `undefined` where none is known. */
  readonly sampleOf: (type: string) => string | undefined;
}
