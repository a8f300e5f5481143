import type { Action, Principal } from '../../core/access/principal.ts';
import type { ChannelAuthorizer } from '../authority.ts';
import { lookupKey } from './answer-cache.ts';
import type { SiteLookup } from './site-lookup.ts';

/**
 * The body of a question (PROTOCOL.md section 13.3). Example:
 * `{"user":"ada","action":"subscribe","channel":"orders.42","claims":{}}`.
 */
export interface ChannelRequest {
  readonly user: string;
  readonly action: Action;
  /** A channel, or the pattern of a subscription. */
  readonly channel: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Asks the site about a channel, where a rule says `site`. It refuses anonymous clients and servers
 * without asking.
 */
export class SiteChannelAuthorizer implements ChannelAuthorizer {
  readonly #lookup: SiteLookup<boolean>;

  constructor(lookup: SiteLookup<boolean>) {
    this.#lookup = lookup;
  }

  forget(user: string): void {
    this.#lookup.forget(user);
  }

  authorize({ user, claims }: Principal, action: Action, channel: string): boolean | Promise<boolean> {
    if (user === undefined) return false;
    const { key, body } = requestOf(user, claims, action, channel);
    return this.#lookup.ask(
      key,
      () => body,
      () => user,
    );
  }

  validUntil({ user, claims }: Principal, action: Action, channel: string): number {
    return user === undefined ? Infinity : this.#lookup.validUntil(requestOf(user, claims, action, channel).key);
  }
}

function requestOf(
  user: string,
  claims: Principal['claims'],
  action: Action,
  channel: string,
): { readonly key: string; readonly body: string } {
  const request: ChannelRequest = { user, action, channel, claims };
  const body = JSON.stringify(request);
  return { key: lookupKey(body), body };
}
