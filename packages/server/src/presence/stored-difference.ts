import type { PresenceChange } from '../core/presence/presence-events.ts';
import type { StoredPresence, StoredPresenceChannel } from '../core/presence/presence-types.ts';

/**
 * The changes that make one stored presence another one. A hub that starts gets them from the hub
 * that announces: events of presence are in the log for an hour only. Example: ann joined two hours
 * ago, so the log has no event of it.
 */
export function storedDifference(own: StoredPresence, wanted: StoredPresence): readonly PresenceChange[] {
  const changes: PresenceChange[] = [];
  const channels = new Map(wanted.channels.map((channel) => [channel.channel, channel]));
  for (const before of own.channels) {
    const after = channels.get(before.channel);
    const members = new Set(after?.members.map(({ user }) => user));
    for (const { user } of before.members)
      if (!members.has(user)) changes.push({ kind: 'leave', channel: before.channel, user });
    if (after === undefined) changes.push(countsOf({ ...before, isListed: true, users: 0, anonymous: 0 }));
  }
  for (const channel of wanted.channels) {
    changes.push(countsOf(channel));
    for (const member of channel.members) changes.push({ kind: 'join', channel: channel.channel, ...member });
  }
  const { usersSequence, channelsSequence } = wanted;
  const [online, occupied] = [new Set(wanted.online), new Set(wanted.occupied)];
  for (const user of own.online)
    if (!online.has(user)) changes.push({ kind: 'offline', user, sequence: usersSequence });
  for (const channel of own.occupied)
    if (!occupied.has(channel)) changes.push({ kind: 'vacated', channel, sequence: channelsSequence });
  for (const user of online) changes.push({ kind: 'online', user, sequence: usersSequence });
  for (const channel of occupied) changes.push({ kind: 'occupied', channel, sequence: channelsSequence });
  // The sequences continue also where nobody is online, and no user and channel has an empty name.
  changes.push({ kind: 'offline', user: '', sequence: usersSequence });
  changes.push({ kind: 'vacated', channel: '', sequence: channelsSequence });
  return changes;
}

function countsOf({ channel, users, anonymous, isListed }: StoredPresenceChannel): PresenceChange {
  return { kind: 'count', channel, users, anonymous, isListed };
}
