import type { PresenceInfos } from './presence-info.ts';
import type { PresenceChange } from './presence-events.ts';
import { countOf, shownOf, type Member, type Room } from './presence-room.ts';
import type { PresenceSettings } from './presence-types.ts';

/** A channel is listed again only well below the bound, so that one at the bound does not go back and forth. */
const RELIST_FRACTION = 0.75;

/** Puts what has changed into words, each in the order in which it is published, and notes that it has been told. */
export class PresenceTeller {
  readonly #settings: Pick<PresenceSettings, 'listedMax' | 'systemEvents'>;
  #usersSequence = 0;
  #channelsSequence = 0;

  readonly #infos: PresenceInfos;

  constructor(settings: Pick<PresenceSettings, 'listedMax' | 'systemEvents'>, infos: PresenceInfos) {
    this.#settings = settings;
    this.#infos = infos;
  }

  /** Goes on with the numbers after these. */
  resume(usersSequence: number, channelsSequence: number): void {
    this.#usersSequence = usersSequence;
    this.#channelsSequence = channelsSequence;
  }

  /** That a user has come online or gone. */
  tellEveryone(member: Member, changes: PresenceChange[], wallMs: number): void {
    const told = this.#note(member, wallMs);
    if (!this.#settings.systemEvents || Math.sign(told) === Math.sign(member.told)) return;
    const kind = member.told > 0 ? 'online' : 'offline';
    changes.push({ kind, user: member.user as string, sequence: ++this.#usersSequence });
  }

  /** How it is with a member of a channel. True when the channel is not listed, so that its counts are to be told instead, later. */
  tell(member: Member, changes: PresenceChange[], wallMs: number): boolean {
    const { room, user } = member;
    const told = this.#note(member, wallMs);
    const isCounted = !room.isListed;
    if (!isCounted && user === undefined) changes.push(countsOf(room));
    else if (!isCounted) this.#tellUser(member, told, changes);
    this.#tellOccupancy(room, changes);
    return isCounted;
  }

  /** How many are in a channel that is not listed; or, when they have become few, who. */
  tellCounts(room: Room, changes: PresenceChange[]): void {
    const anonymous = room.anonymous?.told ?? 0;
    if (!room.isListed) {
      room.isListed = room.known <= this.#settings.listedMax * RELIST_FRACTION;
      if (room.isListed || room.toldUsers !== room.known || room.toldAnonymous !== anonymous)
        changes.push(countsOf(room));
      if (room.isListed)
        for (const user of room.listed()) changes.push({ kind: 'join', channel: room.channel, ...user });
    }
    this.#tellOccupancy(room, changes);
  }

  #tellUser(member: Member, told: number, changes: PresenceChange[]): void {
    const { room } = member;
    if (room.known > this.#settings.listedMax) {
      room.isListed = false;
      changes.push(countsOf(room));
    } else if (member.told === 0) {
      changes.push({ kind: 'leave', channel: room.channel, user: member.user as string });
    } else {
      changes.push({ kind: told === 0 ? 'join' : 'update', channel: room.channel, ...shownOf(member) });
    }
  }

  #tellOccupancy(room: Room, changes: PresenceChange[]): void {
    const isOccupied = room.known > 0 || (room.anonymous?.told ?? 0) > 0;
    if (isOccupied === room.isOccupied) return;
    room.isOccupied = isOccupied;
    if (!this.#settings.systemEvents) return;
    const kind = isOccupied ? 'occupied' : 'vacated';
    changes.push({ kind, channel: room.channel, sequence: ++this.#channelsSequence });
  }

  /** From now on others know of a member as it is; what they knew of its sessions before. */
  #note(member: Member, wallMs: number): number {
    const { room, user, told } = member;
    member.told = countOf(member);
    const info = this.#infos.hold(member.info);
    this.#infos.release(member.toldInfo);
    member.toldInfo = info;
    if (told === 0) member.sinceMs = wallMs;
    if (user !== undefined) room.known += Math.sign(member.told) - Math.sign(told);
    room.changed();
    return told;
  }
}

/** The counts as they are now, which from now on are those that were told. */
function countsOf(room: Room): PresenceChange {
  room.toldUsers = room.known;
  room.toldAnonymous = room.anonymous?.told ?? 0;
  const { channel, toldUsers: users, toldAnonymous: anonymous, isListed } = room;
  return { kind: 'count', channel, users, anonymous, isListed };
}
