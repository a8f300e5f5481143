/**
 * Prefix of the channels for presence events: the changes of `room.7` are on
 * `polycast.presence.room.7`. Only clients that ask for it receive it. Reading it requires the
 * permission `presence` for the channel itself.
 */
export const PRESENCE_PREFIX = 'polycast.presence.';

export function presenceChannel(channel: string): string {
  return PRESENCE_PREFIX + channel;
}
