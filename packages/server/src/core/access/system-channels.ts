import { PRIVATE_PREFIX } from './private-channel.ts';

/** What channels begin with that are not for sites to name: the hub's own, and private ones. */
export const SYSTEM_PREFIX = 'polycast.';

/** Whether the hub alone publishes to a channel: below `polycast.`, private ones excepted (PROTOCOL.md section 13.1). */
export function isHubChannel(channel: string): boolean {
  return channel.startsWith(SYSTEM_PREFIX) && !channel.startsWith(PRIVATE_PREFIX);
}
