import { relationOf } from './pattern-relation.ts';

/**
 * A portal link lets a customer of the site manage their own webhooks, in a page that the site
 * embeds. Its credentials are accepted by the routes of subscriptions alone.
 *
 * Example: the link of the owner `acme` has the channels `customers.acme.>`. It sees the
 * subscriptions with the owner `acme` whose channels these patterns cover.
 */
export interface PortalOwner {
  /** The site's own name for the customer. */
  readonly owner: string;
  /** The channels that the owner's subscriptions may have. */
  readonly channels: readonly string[];
}

/** A stored link: of its token the store has only the SHA-256 hash. */
export interface StoredPortalLink extends PortalOwner {
  readonly id: string;
  /** In base64url. */
  readonly hash: string;
  /** The key that created it. Its revocation ends the link. */
  readonly key: string | undefined;
  readonly theme: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** Whether an owner may have something that concerns these channels. */
export function coversChannels({ channels: allowed }: PortalOwner, channels: readonly string[]): boolean {
  return channels.every((channel) => allowed.some((pattern) => relationOf(pattern, channel) === 'covers'));
}
