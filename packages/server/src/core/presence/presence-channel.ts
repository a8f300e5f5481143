/**
 * Who comes to a channel and who leaves it is told on a channel of its own, so that only those hear of it who ask: reading it takes
 * what `presence` of the channel itself takes.
 */
export const PRESENCE_PREFIX = 'polycast.presence.';

export function presenceChannel(channel: string): string {
  return PRESENCE_PREFIX + channel;
}
