import { hasWildcard, isChannel, PolycastError } from '@polycast/protocol';
import { SYSTEM_PREFIX } from '../core/access/system-channels.ts';
import type { Principal } from '../core/access/principal.ts';
import { presenceChannel } from '../core/presence/presence-events.ts';

/** The properties of a session that presence needs. */
export interface PresentSession {
  readonly principal: Principal;
  readonly channels: readonly string[];
}

/** Whether the configuration enables presence for a channel. */
export type IsTracked = (channel: string) => boolean;

/** The channels of sessions that have presence, and the sessions that count for it. */
export class TrackedChannels {
  readonly #isTracked: IsTracked;
  readonly #systemEvents: boolean;
  /** Sessions with the same interest share the list. */
  readonly #known = new WeakMap<readonly string[], readonly string[]>();

  /** @param systemEvents whether users without such a channel count, too */
  constructor(isTracked: IsTracked, systemEvents: boolean) {
    this.#isTracked = isTracked;
    this.#systemEvents = systemEvents;
  }

  /** The channels of an interest that have presence. */
  of(channels: readonly string[]): readonly string[] {
    let tracked = this.#known.get(channels);
    if (tracked === undefined) {
      tracked = channels.filter((channel) => hasPresence(this.#isTracked, channel));
      if (tracked.length === 0) tracked = NONE;
      this.#known.set(channels, tracked);
    }
    return tracked;
  }

  /** Whether a session counts for presence. A server's session does not. */
  isCounted({ principal: { user, key }, channels }: PresentSession): boolean {
    if (key !== undefined) return false;
    return (user !== undefined && this.#systemEvents) || this.of(channels).length > 0;
  }
}

const NONE: readonly string[] = [];

/**
 * Whether a channel has presence. A subscriber to a pattern is not a member of the channels that
 * match it.
 */
function hasPresence(isTracked: IsTracked, channel: string): boolean {
  return (
    !hasWildcard(channel) &&
    !channel.startsWith(SYSTEM_PREFIX) &&
    isChannel(presenceChannel(channel)) &&
    isTracked(channel)
  );
}

/** @throws PolycastError `not_found` */
export function checkPresence(isTracked: IsTracked, channel: string): void {
  if (!hasPresence(isTracked, channel))
    throw new PolycastError('not_found', `No rule sets "presence" for ${channel}, so the hub keeps none.`);
}
