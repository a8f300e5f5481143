import type { Refusal, SubscriptionDesk } from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import type { Services } from '../transports/services.ts';

/** What the addresses of subscriptions work with. */
export interface SubscriptionParts {
  readonly services: Services;
  /** One that writes down who changes what (`audited-desk.ts`). */
  readonly desk: SubscriptionDesk;
  readonly settings: SubscriptionSettings;
  /** What speaks against sending to an address, as far as that can be told at once. */
  readonly objection: (url: string) => Refusal | undefined;
  /** Whether the endpoint needs not to be asked for its consent. */
  readonly trusts: (url: string) => boolean;
  /** Data such as that of events of a type, JSON; `undefined` where none is known. */
  readonly sampleOf: (type: string) => string | undefined;
}
