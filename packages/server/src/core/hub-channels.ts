import { PRIVATE_CHANNELS } from './private-channel.ts';

const SYSTEM_PREFIX = 'polycast.';
const PRIVATE_PREFIX = PRIVATE_CHANNELS.slice(0, -1);

/** Whether the hub alone publishes to a channel: below `polycast.`, private ones excepted (PROTOCOL.md section 13.1). */
export function isHubChannel(channel: string): boolean {
  return channel.startsWith(SYSTEM_PREFIX) && !channel.startsWith(PRIVATE_PREFIX);
}
