import type { Position } from '../../core/ports.ts';
import type { PresenceChange, PresenceUser } from '../../core/presence/presence-events.ts';
import type { PresenceStore } from '../../core/presence/presence-store.ts';
import type { StoredPresence } from '../../core/presence/presence-types.ts';

/**
 * The data of a store in memory. Another store with the same data continues where this one ended.
 * It has as many members as the hub's presence, which has the bounds.
 */
export interface MemoryPresence {
  epoch: string;
  position: Position;
  usersSequence: number;
  channelsSequence: number;
  readonly channels: Map<string, MemoryPresenceChannel>;
  readonly online: Set<string>;
  readonly occupied: Set<string>;
}

interface MemoryPresenceChannel {
  /** Absent for a listed channel without anonymous members. */
  counts: { readonly users: number; readonly anonymous: number; readonly isListed: boolean } | undefined;
  readonly members: Map<string, PresenceUser>;
}

export function createMemoryPresence(): MemoryPresence {
  return {
    epoch: '',
    position: 0,
    usersSequence: 0,
    channelsSequence: 0,
    channels: new Map(),
    online: new Set(),
    occupied: new Set(),
  };
}

/** A presence store without a disk. */
export function createMemoryPresenceStore(
  epoch: string,
  presence: MemoryPresence = createMemoryPresence(),
): PresenceStore {
  if (presence.epoch !== epoch) {
    for (const entries of [presence.channels, presence.online, presence.occupied]) entries.clear();
    presence.epoch = epoch;
    presence.position = 0;
  }
  return {
    get position() {
      return presence.position;
    },
    isBusy: false,
    apply(changes, position) {
      for (const change of changes) applyChange(presence, change);
      presence.position = position;
    },
    load: () => loadPresence(presence),
    eraseRemoved: () => Promise.resolve(),
    close: () => undefined,
  };
}

function loadPresence({ channels, online, occupied, usersSequence, channelsSequence }: MemoryPresence): StoredPresence {
  return {
    channels: [...channels].map(([channel, { counts, members }]) => ({
      ...{ isListed: true, users: 0, anonymous: 0, ...counts },
      channel,
      members: [...members.values()],
    })),
    online: [...online],
    occupied: [...occupied],
    usersSequence,
    channelsSequence,
  };
}

function applyChange(presence: MemoryPresence, change: PresenceChange): void {
  switch (change.kind) {
    case 'join':
    case 'update': {
      const { channel, user, info, sessions, sinceMs } = change;
      return void channelOf(presence, channel).members.set(user, { user, info, sessions, sinceMs });
    }
    case 'leave':
      channelOf(presence, change.channel).members.delete(change.user);
      return deleteIfEmpty(presence, change.channel);
    case 'count': {
      const { channel, users, anonymous, isListed } = change;
      const known = channelOf(presence, channel);
      if (!isListed) known.members.clear();
      known.counts = isListed && anonymous === 0 ? undefined : { users, anonymous, isListed };
      return deleteIfEmpty(presence, channel);
    }
    case 'online':
    case 'offline':
      presence.usersSequence = change.sequence;
      return put(presence.online, change.user, change.kind === 'online');
    case 'occupied':
    case 'vacated':
      presence.channelsSequence = change.sequence;
      return put(presence.occupied, change.channel, change.kind === 'occupied');
  }
}

function channelOf({ channels }: Pick<MemoryPresence, 'channels'>, channel: string): MemoryPresenceChannel {
  const known = channels.get(channel) ?? { counts: undefined, members: new Map<string, PresenceUser>() };
  channels.set(channel, known);
  return known;
}

function deleteIfEmpty({ channels }: MemoryPresence, channel: string): void {
  const { counts, members } = channelOf({ channels }, channel);
  if (counts === undefined && members.size === 0) channels.delete(channel);
}

function put(names: Set<string>, name: string, isPresent: boolean): void {
  if (isPresent) names.add(name);
  else names.delete(name);
}
