import { PRIVATE_PREFIX } from './private-channel.ts';

/** Prefix of the channels that sites cannot name: the hub's own and private ones. */
export const SYSTEM_PREFIX = 'polycast.';

/**
 * Whether only the hub publishes to a channel: those below `polycast.`, except private ones
 * (PROTOCOL.md section 13.1).
 */
export function isHubChannel(channel: string): boolean {
  return channel.startsWith(SYSTEM_PREFIX) && !channel.startsWith(PRIVATE_PREFIX);
}
