import type { Position } from './ports.ts';
import type { PresenceChange, PresentUser } from './presence-events.ts';
import { countOf, Room, shownOf, type Member } from './presence-room.ts';
import { TokenBuckets } from './token-buckets.ts';

export interface PresenceSettings {
  /** Others are told that somebody has left, or has other sessions than before, only after it has been so for so long. */
  readonly graceMs: number;
  /** A short poll counts as a session of so long. */
  readonly pollGraceMs: number;
  /** Of a channel with more users than this only counts are told. */
  readonly listedMax: number;
  /** Whether it is told who is online, and which channels are occupied. */
  readonly systemEvents: boolean;
  /**
   * How many channels presence may be begun for, in the long run and at once: a reader names what it likes, and each name is a channel
   * in the log for a while. Those beyond are told of later.
   */
  readonly newChannelsPerSecond: number;
  readonly newChannelsBurst: number;
}

/** What is known of a channel. */
export interface PresenceSnapshot {
  readonly isListed: boolean;
  readonly users: number;
  /** Sessions of nobody known. */
  readonly anonymous: number;
  /** Empty when the channel is not listed. */
  readonly members: readonly PresentUser[];
}

/** What the transports may ask of presence. */
export interface PresenceView {
  /**
   * Who is in a channel, and the position at which that is true: whoever reads the channel's events after it has it all.
   * @throws PolycastError `not_found` where presence is not kept, `log_unavailable` while nothing can be told
   */
  snapshot(channel: string): Promise<PresenceSnapshot & { readonly position: Position }>;
  /** Whether a user who is not connected has polled lately. */
  isOnline(user: string): boolean;
}

/** What others had been told before a restart. */
export interface PresenceMemory {
  readonly rooms: readonly RememberedRoom[];
  readonly online: readonly string[];
  readonly occupied: readonly string[];
  readonly usersSequence: number;
  readonly channelsSequence: number;
}

export interface RememberedRoom extends PresenceSnapshot {
  readonly channel: string;
}

/** A channel is listed again only well below the bound, so that one at the bound does not go back and forth. */
const RELIST_FRACTION = 0.75;

/**
 * Who is where, and what others have yet to be told of it. Sessions come and go by `enter` and `leave`, in any order and number;
 * `take` hands out the changes to publish, each of them debounced: whoever comes is told of at once, whoever goes only after the
 * grace, and whoever comes back within it was never away. It has no clock: `nowMs` is of one that never goes back.
 */
export class Presence {
  readonly #settings: PresenceSettings;
  readonly #rooms = new Map<string, Room>();
  /** All users who are connected, in no channel in particular. */
  readonly #everyone = new Room('');
  /** To be told of now. Bounded by the members there are: what comes and goes while nobody can be told, cancels out. */
  readonly #ready = new Set<Member>();
  readonly #readyRooms = new Set<Room>();
  /** In the order of their times, since the time between is the same for all of a set. */
  readonly #due = new Set<Member>();
  readonly #polled = new Set<Member>();
  readonly #dueRooms = new Set<Room>();
  /** Of channels that cannot be begun yet. */
  readonly #deferred = new Set<Member>();
  #deferredUntilMs = 0;
  readonly #begun = new TokenBuckets();
  #usersSequence = 0;
  #channelsSequence = 0;

  constructor(settings: PresenceSettings) {
    this.#settings = settings;
    this.#everyone.isBegun = true;
  }

  /** A session begins, or is in a further channel; of `undefined`: it is nobody known. */
  enter(channel: string, user: string | undefined, info: unknown, nowMs: number): void {
    const member = this.#memberOf(this.#roomOf(channel), user, info);
    member.sessions++;
    this.#changed(member, countOf(member) - 1, nowMs);
  }

  /** What `enter` has said is so no more. */
  leave(channel: string, user: string | undefined, nowMs: number): void {
    const member = this.#rooms.get(channel)?.member(user);
    if (member !== undefined) this.#left(member, nowMs);
  }

  /** A user has polled the channel. */
  poll(channel: string, user: string, info: unknown, nowMs: number): void {
    this.#poll(this.#memberOf(this.#roomOf(channel), user, info), nowMs);
  }

  /** A user has a session, wherever. */
  connect(user: string, nowMs: number): void {
    const member = this.#memberOf(this.#everyone, user, undefined);
    member.sessions++;
    this.#changed(member, countOf(member) - 1, nowMs);
  }

  disconnect(user: string, nowMs: number): void {
    const member = this.#everyone.member(user);
    if (member !== undefined) this.#left(member, nowMs);
  }

  /** A user has polled, whatever. */
  pollAnything(user: string, nowMs: number): void {
    this.#poll(this.#memberOf(this.#everyone, user, undefined), nowMs);
  }

  /** Channels that something is known of. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Whether `connect` or `pollAnything` has said of a user that they are there. */
  isOnline(user: string): boolean {
    const member = this.#everyone.member(user);
    return member !== undefined && countOf(member) > 0;
  }

  /** When `advance` has something to do next; `Infinity` for never. */
  get nextMs(): number {
    let nextMs = this.#deferred.size === 0 ? Infinity : this.#deferredUntilMs;
    for (const { dueMs } of this.#due) {
      nextMs = Math.min(nextMs, dueMs);
      break;
    }
    for (const { polledUntilMs } of this.#polled) {
      nextMs = Math.min(nextMs, polledUntilMs);
      break;
    }
    for (const { countDueMs } of this.#dueRooms) {
      nextMs = Math.min(nextMs, countDueMs);
      break;
    }
    return nextMs;
  }

  /** Whether `take` has something to hand out, perhaps. */
  get isReady(): boolean {
    return this.#ready.size > 0 || this.#readyRooms.size > 0;
  }

  /** Members of whom something is to be told as soon as may be. */
  get waiting(): number {
    return this.#ready.size + this.#readyRooms.size + this.#deferred.size;
  }

  /** Brings forward what is due. */
  advance(nowMs: number): void {
    for (const member of this.#polled) {
      if (member.polledUntilMs > nowMs) break;
      this.#polled.delete(member);
      member.polledUntilMs = 0;
      this.#changed(member, member.sessions + 1, nowMs);
    }
    for (const member of this.#due) {
      if (member.dueMs > nowMs) break;
      this.#makeReady(member);
    }
    if (this.#deferred.size > 0 && this.#deferredUntilMs <= nowMs) this.#tryAgain(nowMs);
    for (const room of this.#dueRooms) {
      if (room.countDueMs > nowMs) break;
      this.#dueRooms.delete(room);
      room.countDueMs = 0;
      this.#readyRooms.add(room);
    }
  }

  /**
   * The changes to be published now, in order; from then on they count as told. Some more than `countMax` when a channel is
   * listed again.
   * @param wallMs milliseconds since 1970
   */
  take(countMax: number, nowMs: number, wallMs: number): PresenceChange[] {
    const changes: PresenceChange[] = [];
    for (const room of this.#readyRooms) {
      if (changes.length >= countMax) return changes;
      this.#readyRooms.delete(room);
      this.#tellCounts(room, changes);
    }
    for (const member of this.#ready) {
      if (changes.length >= countMax) break;
      this.#ready.delete(member);
      if (this.#mayBegin(member, nowMs)) this.#tell(member, changes, nowMs, wallMs);
    }
    return changes;
  }

  /** What has been told of a channel; nobody is in one that nothing is known of. */
  snapshot(channel: string): PresenceSnapshot {
    const room = this.#rooms.get(channel);
    if (room === undefined) return { isListed: true, users: 0, anonymous: 0, members: [] };
    const { isListed, toldAnonymous: anonymous } = room;
    if (!isListed) return { isListed, users: room.toldUsers, anonymous, members: [] };
    return { isListed, users: room.known, anonymous, members: room.listed() };
  }

  /** Takes up what had been told before a restart: those who do not come back leave after the grace. To be called first. */
  restore({ rooms, online, occupied, usersSequence, channelsSequence }: PresenceMemory, nowMs: number): void {
    this.#usersSequence = usersSequence;
    this.#channelsSequence = channelsSequence;
    for (const remembered of rooms) this.#restoreRoom(remembered, nowMs);
    if (!this.#settings.systemEvents) return;
    for (const user of online) this.#remember(this.#everyone, user, 1, nowMs);
    for (const channel of occupied) {
      const room = this.#roomOf(channel);
      room.isBegun = true;
      room.isOccupied = true;
      this.#countLater(room, nowMs);
    }
  }

  #restoreRoom({ channel, isListed, users, anonymous, members }: RememberedRoom, nowMs: number): void {
    const room = this.#roomOf(channel);
    room.isBegun = true;
    room.isListed = isListed;
    room.toldUsers = users;
    room.toldAnonymous = anonymous;
    for (const { user, info, sessions, sinceMs } of members) {
      const member = this.#remember(room, user, sessions, nowMs);
      member.info = member.toldInfo = info;
      member.sinceMs = sinceMs;
    }
    if (anonymous > 0) this.#remember(room, undefined, anonymous, nowMs);
    if (!isListed) this.#countLater(room, nowMs);
  }

  #remember(room: Room, user: string | undefined, told: number, nowMs: number): Member {
    const member = room.add(user);
    member.told = told;
    if (user !== undefined) room.known++;
    this.#changed(member, told, nowMs);
    return member;
  }

  #roomOf(channel: string): Room {
    let room = this.#rooms.get(channel);
    if (room === undefined) this.#rooms.set(channel, (room = new Room(channel)));
    return room;
  }

  #memberOf(room: Room, user: string | undefined, info: unknown): Member {
    const member = room.member(user) ?? room.add(user);
    // Equal ones stay the same one, so that what was told is compared at a glance.
    if (member.info !== info && !isSameJson(member.info, info)) member.info = info;
    return member;
  }

  #poll(member: Member, nowMs: number): void {
    const before = countOf(member);
    member.polledUntilMs = nowMs + this.#settings.pollGraceMs;
    this.#polled.delete(member);
    this.#polled.add(member);
    this.#changed(member, before, nowMs);
  }

  #left(member: Member, nowMs: number): void {
    if (member.sessions === 0) return;
    member.sessions--;
    this.#changed(member, countOf(member) + 1, nowMs);
  }

  /** Decides whether others are to be told, now, later or not at all. */
  #changed(member: Member, before: number, nowMs: number): void {
    const count = countOf(member);
    if (member.told === 0) {
      if (count === 0) this.#forget(member);
      else if (!this.#deferred.has(member)) this.#makeReady(member);
    } else if (count === member.told && member.info === member.toldInfo) {
      this.#ready.delete(member);
      this.#due.delete(member);
    } else if ((count === 0) !== (before === 0) || !(this.#due.has(member) || this.#ready.has(member))) {
      this.#ready.delete(member);
      this.#due.delete(member);
      member.dueMs = nowMs + this.#settings.graceMs;
      this.#due.add(member);
    }
  }

  #makeReady(member: Member): void {
    this.#due.delete(member);
    this.#ready.add(member);
  }

  /** Whether a member's channel has been begun, or is now. */
  #mayBegin(member: Member, nowMs: number): boolean {
    const { room } = member;
    if (room.isBegun) return true;
    const { newChannelsPerSecond, newChannelsBurst } = this.#settings;
    const retryAfterMs = this.#begun.take('', newChannelsPerSecond, newChannelsBurst, nowMs);
    room.isBegun = retryAfterMs === 0;
    if (room.isBegun) return true;
    if (this.#deferred.size === 0) this.#deferredUntilMs = nowMs + retryAfterMs;
    this.#deferred.add(member);
    return false;
  }

  /** A second's worth of those that wait, the longest first. */
  #tryAgain(nowMs: number): void {
    let left = this.#settings.newChannelsPerSecond;
    for (const member of this.#deferred) {
      if (left-- <= 0) break;
      this.#deferred.delete(member);
      this.#ready.add(member);
    }
    this.#deferredUntilMs = nowMs + 1000;
  }

  #tell(member: Member, changes: PresenceChange[], nowMs: number, wallMs: number): void {
    const { room, user, told } = member;
    const count = countOf(member);
    if (told === 0 && count > 0) member.sinceMs = wallMs;
    member.told = count;
    member.toldInfo = member.info;
    if (user !== undefined) room.known += Math.sign(count) - Math.sign(told);
    room.changed();
    if (room === this.#everyone) this.#tellEveryone(user as string, told, count, changes);
    else if (user === undefined) this.#tellAnonymous(room, changes, nowMs);
    else this.#tellUser(member, told, changes, nowMs);
    if (count === 0) this.#forget(member);
    if (room !== this.#everyone) this.#tellOccupancy(room, changes);
  }

  #tellEveryone(user: string, told: number, count: number, changes: PresenceChange[]): void {
    if (!this.#settings.systemEvents || Math.sign(told) === Math.sign(count)) return;
    changes.push({ kind: count > 0 ? 'online' : 'offline', user, sequence: ++this.#usersSequence });
  }

  #tellAnonymous(room: Room, changes: PresenceChange[], nowMs: number): void {
    if (!room.isListed) return this.#countLater(room, nowMs);
    room.toldAnonymous = room.anonymous?.told ?? 0;
    changes.push(countsOf(room));
  }

  #tellUser(member: Member, told: number, changes: PresenceChange[], nowMs: number): void {
    const { room } = member;
    if (!room.isListed) return this.#countLater(room, nowMs);
    if (room.known > this.#settings.listedMax) {
      room.isListed = false;
      changes.push(countsOf(room));
    } else if (member.told === 0) {
      changes.push({ kind: 'leave', channel: room.channel, user: member.user as string });
    } else {
      changes.push({ kind: told === 0 ? 'join' : 'update', channel: room.channel, ...shownOf(member) });
    }
  }

  /** What changes in a room that is not listed is told once in a grace. */
  #countLater(room: Room, nowMs: number): void {
    if (room.countDueMs > 0) return;
    room.countDueMs = nowMs + this.#settings.graceMs;
    this.#dueRooms.add(room);
  }

  #tellCounts(room: Room, changes: PresenceChange[]): void {
    const anonymous = room.anonymous?.told ?? 0;
    if (!room.isListed) {
      room.isListed = room.known <= this.#settings.listedMax * RELIST_FRACTION;
      if (room.isListed || room.toldUsers !== room.known || room.toldAnonymous !== anonymous)
        changes.push(countsOf(room));
      if (room.isListed)
        for (const user of room.listed()) changes.push({ kind: 'join', channel: room.channel, ...user });
    }
    this.#tellOccupancy(room, changes);
    this.#forgetRoom(room);
  }

  #tellOccupancy(room: Room, changes: PresenceChange[]): void {
    const isOccupied = room.known > 0 || (room.anonymous?.told ?? 0) > 0;
    if (isOccupied === room.isOccupied) return;
    room.isOccupied = isOccupied;
    if (!this.#settings.systemEvents) return;
    changes.push({
      kind: isOccupied ? 'occupied' : 'vacated',
      channel: room.channel,
      sequence: ++this.#channelsSequence,
    });
  }

  #forget(member: Member): void {
    this.#ready.delete(member);
    this.#due.delete(member);
    this.#deferred.delete(member);
    member.room.remove(member);
    this.#forgetRoom(member.room);
  }

  #forgetRoom(room: Room): void {
    if (room.isEmpty && room.isListed && room.countDueMs === 0 && !this.#readyRooms.has(room))
      this.#rooms.delete(room.channel);
  }
}

/** The counts as they are now, which from now on are those that were told. */
function countsOf(room: Room): PresenceChange {
  room.toldUsers = room.known;
  room.toldAnonymous = room.anonymous?.told ?? 0;
  const { channel, toldUsers: users, toldAnonymous: anonymous, isListed } = room;
  return { kind: 'count', channel, users, anonymous, isListed };
}

function isSameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
