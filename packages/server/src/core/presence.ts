import { ByteBudget, type Held } from './byte-budget.ts';
import type { PresenceChange } from './presence-events.ts';
import { PresenceInfos } from './presence-info.ts';
import { countOf, Room, type Member } from './presence-room.ts';
import { PresenceTeller } from './presence-teller.ts';
import type { PresenceMemory, PresenceSettings, PresenceSnapshot, RememberedRoom } from './presence-types.ts';
import { TokenBuckets } from './token-buckets.ts';

/**
 * Who is where, and what others have yet to be told of it. Sessions come and go by `enter` and `leave`, in any order and number;
 * `take` hands out the changes to publish, each of them debounced: whoever comes is told of at once, whoever goes only after the
 * grace, and whoever comes back within it was never away. It has no clock: `nowMs` is of one that never goes back.
 */
export class Presence {
  readonly #settings: PresenceSettings;
  readonly #teller: PresenceTeller;
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
  /** Members, each with its part of what their channel takes; a user has a share. */
  readonly #members: ByteBudget;
  readonly #infos: PresenceInfos;

  constructor(settings: PresenceSettings) {
    this.#settings = settings;
    this.#members = new ByteBudget(settings.membersBytesMax, settings.userMembersBytesMax);
    this.#infos = new PresenceInfos(settings.infosBytesMax);
    this.#teller = new PresenceTeller(settings, this.#infos);
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

  /** What members take, and what is shown of them. */
  get held(): Readonly<Record<'presence_members' | 'presence_info', Held>> {
    return { presence_members: this.#members, presence_info: this.#infos };
  }

  /** Whether there is room for a user, or for somebody unknown, in all of these channels. To be asked before `enter` and `poll`. */
  hasRoom(channels: readonly string[], user: string | undefined): boolean {
    let bytes = 0;
    for (const channel of channels)
      if (this.#rooms.get(channel)?.member(user) === undefined) bytes += memberBytes(channel, user);
    return bytes === 0 || this.#members.hasRoom(bytes, user);
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

  /** Those of whom `isOnline` is true. */
  *onlineUsers(): Generator<string> {
    for (const [user, member] of this.#everyone.users) if (countOf(member) > 0) yield user;
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
      this.#teller.tellCounts(room, changes);
      this.#forgetRoom(room);
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
    this.#teller.resume(usersSequence, channelsSequence);
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
      member.info = this.#infos.hold(info);
      member.toldInfo = this.#infos.hold(info);
      member.sinceMs = sinceMs;
    }
    if (anonymous > 0) this.#remember(room, undefined, anonymous, nowMs);
    if (!isListed) this.#countLater(room, nowMs);
  }

  #remember(room: Room, user: string | undefined, told: number, nowMs: number): Member {
    const member = this.#add(room, user);
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
    const member = room.member(user) ?? this.#add(room, user);
    // Equal ones are the same one, so that what was told is compared at a glance.
    const held = this.#infos.hold(info);
    this.#infos.release(member.info);
    member.info = held;
    return member;
  }

  /** Whoever is not to be let in was refused before. */
  #add(room: Room, user: string | undefined): Member {
    this.#members.takeAnyway(memberBytes(room.channel, user), user);
    return room.add(user);
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
    if (member.room === this.#everyone) this.#teller.tellEveryone(member, changes, wallMs);
    else if (this.#teller.tell(member, changes, wallMs)) this.#countLater(member.room, nowMs);
    if (member.told === 0) this.#forget(member);
  }

  /** What changes in a room that is not listed is told once in a grace. */
  #countLater(room: Room, nowMs: number): void {
    if (room.countDueMs > 0) return;
    room.countDueMs = nowMs + this.#settings.graceMs;
    this.#dueRooms.add(room);
  }

  #forget(member: Member): void {
    this.#ready.delete(member);
    this.#due.delete(member);
    this.#deferred.delete(member);
    this.#infos.release(member.info);
    this.#infos.release(member.toldInfo);
    this.#members.giveBack(memberBytes(member.room.channel, member.user), member.user);
    member.room.remove(member);
    this.#forgetRoom(member.room);
  }

  #forgetRoom(room: Room): void {
    if (room.isEmpty && room.isListed && room.countDueMs === 0 && !this.#readyRooms.has(room))
      this.#rooms.delete(room.channel);
  }
}

/** The member and the channel, as if nobody else were in it; names that are not Latin-1 have two bytes a character. */
function memberBytes(channel: string, user: string | undefined): number {
  return MEMBER_BYTES + 2 * channel.length + 2 * (user?.length ?? 0);
}

/** Both objects, their places in maps and sets, and the member's place in the list that is shown. */
const MEMBER_BYTES = 700;
