import { ByteBudget, type MemoryUsage } from '../primitives/byte-budget.ts';
import type { PresenceChange } from './presence-events.ts';
import { PresenceInfoStore } from './presence-info-store.ts';
import { memberBytes, sessionCount, PresenceChannel, type PresenceMember } from './presence-members.ts';
import { PresenceAnnouncer } from './presence-announcer.ts';
import type { StoredPresence, PresenceSettings, PresenceSnapshot, StoredPresenceChannel } from './presence-types.ts';
import { assertInvariant, assertSorted } from '../primitives/invariant.ts';
import { TokenBuckets } from '../primitives/token-buckets.ts';

/**
 * The state machine of presence: the members of each channel, and the changes yet to be announced.
 * A member is a user in a channel, or all anonymous clients of a channel together.
 * Sessions come and go by `enter` and `leave`, in any order and number. `takeChanges` returns the
 * changes to publish, debounced. An arrival is announced immediately, and a departure after the
 * grace. A member that returns within the grace was never away.
 * Example: Ann opens `room.7` at 0 s, reloads the page at 5 s and closes it at 60 s. Others receive
 * one `join` at 0 s, and one `leave` at 60 s plus the grace.
 * It has no clock: `nowMs` is from a clock that never goes back.
 */
export class Presence {
  readonly #settings: PresenceSettings;
  readonly #announcer: PresenceAnnouncer;
  readonly #channels = new Map<string, PresenceChannel>();
  /** All connected users, in no channel in particular. */
  readonly #allUsers = new PresenceChannel('');
  /**
   * Members to announce now. Bounded by the number of members: arrivals and departures cancel out
   * while announcements are impossible.
   */
  readonly #ready = new Set<PresenceMember>();
  readonly #readyChannels = new Set<PresenceChannel>();
  /** Ordered by time, because all entries of one set have the same delay. */
  readonly #delayed = new Set<PresenceMember>();
  readonly #polled = new Set<PresenceMember>();
  readonly #delayedChannels = new Set<PresenceChannel>();
  /** Members of channels that wait for their first announcement: see `newChannelsPerSecond`. */
  readonly #deferred = new Set<PresenceMember>();
  #deferredUntilMs = 0;
  readonly #newChannelBuckets = new TokenBuckets();
  /** Memory of the members, each with its part of the channel's memory. Each user has a share. */
  readonly #members: ByteBudget;
  readonly #infos: PresenceInfoStore;

  constructor(settings: PresenceSettings) {
    this.#settings = settings;
    this.#members = new ByteBudget(settings.membersBytesMax, settings.userMembersBytesMax);
    this.#infos = new PresenceInfoStore(settings.infosBytesMax);
    this.#announcer = new PresenceAnnouncer(settings, this.#infos);
    this.#allUsers.hasAnnounced = true;
  }

  /** Sets another bound on the memory of members. */
  setMembersBytesMax(bytesMax: number): void {
    this.#members.resize(bytesMax, this.#settings.userMembersBytesMax);
  }

  /** A session begins, or joins another channel. `user` is `undefined` for an anonymous one. */
  enter(channel: string, user: string | undefined, info: unknown, nowMs: number): void {
    this.#addSession(this.#memberOf(this.#channelOf(channel), user, info), nowMs);
  }

  /** Ends a session that `enter` began. */
  leave(channel: string, user: string | undefined, nowMs: number): void {
    const member = this.#channels.get(channel)?.member(user);
    if (member !== undefined) this.#removeSession(member, nowMs);
  }

  /** A user has polled the channel. */
  poll(channel: string, user: string, info: unknown, nowMs: number): void {
    this.#poll(this.#memberOf(this.#channelOf(channel), user, info), nowMs);
  }

  /** A user has a session, in any channel. */
  connect(user: string, nowMs: number): void {
    this.#addSession(this.#memberOf(this.#allUsers, user, undefined), nowMs);
  }

  disconnect(user: string, nowMs: number): void {
    const member = this.#allUsers.member(user);
    if (member !== undefined) this.#removeSession(member, nowMs);
  }

  /** A user has polled, in any channel. */
  pollUser(user: string, nowMs: number): void {
    this.#poll(this.#memberOf(this.#allUsers, user, undefined), nowMs);
  }

  /** The memory of the members, and of their infos. */
  get memoryUsage(): Readonly<Record<'presence_members' | 'presence_info', MemoryUsage>> {
    return { presence_members: this.#members, presence_info: this.#infos };
  }

  /**
   * Whether there is memory for a user, or for an anonymous client, in all of these channels. Call
   * it before `enter` and `poll`.
   */
  hasCapacity(channels: readonly string[], user: string | undefined): boolean {
    let bytes = 0;
    for (const channel of channels)
      if (this.#channels.get(channel)?.member(user) === undefined) bytes += memberBytes(channel, user);
    return bytes === 0 || this.#members.canReserve(bytes, user);
  }

  /** The number of channels with members or announced state. */
  get size(): number {
    return this.#channels.size;
  }

  /** Whether a user is online, as `connect` and `pollUser` report it. */
  isOnline(user: string): boolean {
    const member = this.#allUsers.member(user);
    return member !== undefined && sessionCount(member) > 0;
  }

  /** All users who are online, as in `isOnline`. */
  *onlineUsers(): Generator<string> {
    for (const [user, member] of this.#allUsers.users) if (sessionCount(member) > 0) yield user;
  }

  /** The time of the next work for `advance`; `Infinity` for never. */
  get nextMs(): number {
    const [delayed] = this.#delayed;
    const [polled] = this.#polled;
    const [delayedChannel] = this.#delayedChannels;
    return Math.min(
      this.#deferred.size === 0 ? Infinity : this.#deferredUntilMs,
      delayed?.announceAtMs ?? Infinity,
      polled?.polledUntilMs ?? Infinity,
      delayedChannel?.countAtMs ?? Infinity,
    );
  }

  /** Whether `takeChanges` may have changes to return. */
  get isReady(): boolean {
    return this.#ready.size > 0 || this.#readyChannels.size > 0;
  }

  /** The number of members and channels to announce as soon as possible. */
  get pendingCount(): number {
    return this.#ready.size + this.#readyChannels.size + this.#deferred.size;
  }

  /** Makes due announcements ready. */
  advance(nowMs: number): void {
    for (const member of this.#polled) {
      if (member.polledUntilMs > nowMs) break;
      this.#polled.delete(member);
      member.polledUntilMs = 0;
      this.#scheduleAnnouncement(member, member.sessions + 1, nowMs);
    }
    for (const member of this.#delayed) {
      if (member.announceAtMs > nowMs) break;
      this.#makeReady(member);
    }
    if (this.#deferred.size > 0 && this.#deferredUntilMs <= nowMs) this.#retryDeferred(nowMs);
    for (const presenceChannel of this.#delayedChannels) {
      if (presenceChannel.countAtMs > nowMs) break;
      this.#delayedChannels.delete(presenceChannel);
      presenceChannel.countAtMs = 0;
      this.#readyChannels.add(presenceChannel);
    }
  }

  /**
   * The changes to publish now, in order. From then on they count as announced. Slightly more than
   * `countMax` when a channel becomes listed again.
   * @param wallMs milliseconds since 1970
   */
  takeChanges(countMax: number, nowMs: number, wallMs: number): PresenceChange[] {
    const changes: PresenceChange[] = [];
    for (const presenceChannel of this.#readyChannels) {
      if (changes.length >= countMax) return changes;
      this.#readyChannels.delete(presenceChannel);
      this.#announcer.announceCounts(presenceChannel, changes);
      this.#removeIfEmpty(presenceChannel);
    }
    for (const member of this.#ready) {
      if (changes.length >= countMax) break;
      this.#ready.delete(member);
      if (this.#tryStartChannel(member, nowMs)) this.#announce(member, changes, nowMs, wallMs);
    }
    return changes;
  }

  /** The announced state of a channel. An unknown channel is empty. */
  snapshot(channel: string): PresenceSnapshot {
    const presenceChannel = this.#channels.get(channel);
    if (presenceChannel === undefined) return { isListed: true, users: 0, anonymous: 0, members: [] };
    const { isListed, lastAnonymousCount: anonymous } = presenceChannel;
    if (!isListed) return { isListed, users: presenceChannel.lastUserCount, anonymous, members: [] };
    return {
      isListed,
      users: presenceChannel.announcedUserCount,
      anonymous,
      members: presenceChannel.announcedUsers(),
    };
  }

  /**
   * Restores the state that had been announced before a restart. Members that do not return leave
   * after the grace. Call it first.
   */
  restore({ channels, online, occupied, usersSequence, channelsSequence }: StoredPresence, nowMs: number): void {
    this.#announcer.resume(usersSequence, channelsSequence);
    for (const stored of channels) this.#restoreChannel(stored, nowMs);
    if (!this.#settings.systemEvents) return;
    for (const user of online) this.#restoreMember(this.#allUsers, user, 1, nowMs);
    for (const channel of occupied) {
      const presenceChannel = this.#channelOf(channel);
      presenceChannel.hasAnnounced = true;
      presenceChannel.isOccupied = true;
      this.#scheduleCount(presenceChannel, nowMs);
    }
  }

  /** Visits every member. */
  assertInvariants(): void {
    let bytes = 0;
    for (const channel of [this.#allUsers, ...this.#channels.values()]) {
      channel.assertInvariants();
      for (const { user } of channel.allMembers()) bytes += memberBytes(channel.channel, user);
    }
    assertInvariant(bytes === this.#members.bytes, 'presence: the bytes are the sum over all members');
    this.#members.assertInvariants();
    for (const member of this.#ready)
      assertInvariant(!this.#delayed.has(member), 'presence: a member that is ready is not delayed');
    assertSorted(
      [...this.#delayed].map(({ announceAtMs }) => announceAtMs),
      'presence: delayed members are in the order of their times',
    );
    assertSorted(
      [...this.#polled].map(({ polledUntilMs }) => polledUntilMs),
      'presence: polls are in the order of their ends',
    );
    assertSorted(
      [...this.#delayedChannels].map(({ countAtMs }) => countAtMs),
      'presence: delayed channels are in the order of their times',
    );
  }

  #restoreChannel({ channel, isListed, users, anonymous, members }: StoredPresenceChannel, nowMs: number): void {
    const presenceChannel = this.#channelOf(channel);
    presenceChannel.hasAnnounced = true;
    presenceChannel.isListed = isListed;
    presenceChannel.lastUserCount = users;
    presenceChannel.lastAnonymousCount = anonymous;
    for (const { user, info, sessions, sinceMs } of members) {
      const member = this.#restoreMember(presenceChannel, user, sessions, nowMs);
      member.info = this.#infos.acquire(info);
      member.announcedInfo = this.#infos.acquire(info);
      member.sinceMs = sinceMs;
    }
    if (anonymous > 0) this.#restoreMember(presenceChannel, undefined, anonymous, nowMs);
    if (!isListed) this.#scheduleCount(presenceChannel, nowMs);
  }

  #restoreMember(
    presenceChannel: PresenceChannel,
    user: string | undefined,
    announcedSessions: number,
    nowMs: number,
  ): PresenceMember {
    const member = this.#add(presenceChannel, user);
    member.announcedSessions = announcedSessions;
    if (user !== undefined) presenceChannel.announcedUserCount++;
    this.#scheduleAnnouncement(member, announcedSessions, nowMs);
    return member;
  }

  #channelOf(channel: string): PresenceChannel {
    let presenceChannel = this.#channels.get(channel);
    if (presenceChannel === undefined) this.#channels.set(channel, (presenceChannel = new PresenceChannel(channel)));
    return presenceChannel;
  }

  #memberOf(presenceChannel: PresenceChannel, user: string | undefined, info: unknown): PresenceMember {
    const member = presenceChannel.member(user) ?? this.#add(presenceChannel, user);
    // Equal infos are the same object, so that one comparison shows a change.
    const sharedInfo = this.#infos.acquire(info);
    this.#infos.release(member.info);
    member.info = sharedInfo;
    return member;
  }

  /** Capacity is checked before, by `hasCapacity`. */
  #add(presenceChannel: PresenceChannel, user: string | undefined): PresenceMember {
    this.#members.reserve(memberBytes(presenceChannel.channel, user), user);
    return presenceChannel.add(user);
  }

  #poll(member: PresenceMember, nowMs: number): void {
    const before = sessionCount(member);
    member.polledUntilMs = nowMs + this.#settings.pollGraceMs;
    this.#polled.delete(member);
    this.#polled.add(member);
    this.#scheduleAnnouncement(member, before, nowMs);
  }

  #addSession(member: PresenceMember, nowMs: number): void {
    member.sessions++;
    this.#scheduleAnnouncement(member, sessionCount(member) - 1, nowMs);
  }

  #removeSession(member: PresenceMember, nowMs: number): void {
    if (member.sessions === 0) return;
    member.sessions--;
    this.#scheduleAnnouncement(member, sessionCount(member) + 1, nowMs);
  }

  /** Schedules the announcement of a member: now, later or not at all. */
  #scheduleAnnouncement(member: PresenceMember, before: number, nowMs: number): void {
    const count = sessionCount(member);
    if (member.announcedSessions === 0) {
      if (count === 0) this.#removeMember(member);
      else if (!this.#deferred.has(member)) this.#makeReady(member);
    } else if (count === member.announcedSessions && member.info === member.announcedInfo) {
      this.#ready.delete(member);
      this.#delayed.delete(member);
    } else if ((count === 0) !== (before === 0) || !(this.#delayed.has(member) || this.#ready.has(member))) {
      this.#ready.delete(member);
      this.#delayed.delete(member);
      member.announceAtMs = nowMs + this.#settings.graceMs;
      this.#delayed.add(member);
    }
  }

  #makeReady(member: PresenceMember): void {
    this.#delayed.delete(member);
    this.#ready.add(member);
  }

  /** Whether the announcements of a member's channel have begun, or begin now. */
  #tryStartChannel(member: PresenceMember, nowMs: number): boolean {
    const { presenceChannel } = member;
    if (presenceChannel.hasAnnounced) return true;
    const { newChannelsPerSecond, newChannelsBurst } = this.#settings;
    const retryAfterMs = this.#newChannelBuckets.take('', newChannelsPerSecond, newChannelsBurst, nowMs);
    presenceChannel.hasAnnounced = retryAfterMs === 0;
    if (presenceChannel.hasAnnounced) return true;
    if (this.#deferred.size === 0) this.#deferredUntilMs = nowMs + retryAfterMs;
    this.#deferred.add(member);
    return false;
  }

  /** Retries the waiting members, the longest waiting first: as many as may begin in one second. */
  #retryDeferred(nowMs: number): void {
    let remaining = this.#settings.newChannelsPerSecond;
    for (const member of this.#deferred) {
      if (remaining-- <= 0) break;
      this.#deferred.delete(member);
      this.#ready.add(member);
    }
    this.#deferredUntilMs = nowMs + 1000;
  }

  #announce(member: PresenceMember, changes: PresenceChange[], nowMs: number, wallMs: number): void {
    if (member.presenceChannel === this.#allUsers) this.#announcer.announceOnline(member, changes, wallMs);
    else if (this.#announcer.announceMember(member, changes, wallMs))
      this.#scheduleCount(member.presenceChannel, nowMs);
    if (member.announcedSessions === 0) this.#removeMember(member);
  }

  /** A channel that is not listed announces its counts once a grace. */
  #scheduleCount(presenceChannel: PresenceChannel, nowMs: number): void {
    if (presenceChannel.countAtMs > 0) return;
    presenceChannel.countAtMs = nowMs + this.#settings.graceMs;
    this.#delayedChannels.add(presenceChannel);
  }

  #removeMember(member: PresenceMember): void {
    this.#ready.delete(member);
    this.#delayed.delete(member);
    this.#deferred.delete(member);
    this.#infos.release(member.info);
    this.#infos.release(member.announcedInfo);
    this.#members.release(memberBytes(member.presenceChannel.channel, member.user), member.user);
    member.presenceChannel.remove(member);
    this.#removeIfEmpty(member.presenceChannel);
  }

  #removeIfEmpty(presenceChannel: PresenceChannel): void {
    if (
      presenceChannel.isEmpty &&
      presenceChannel.isListed &&
      presenceChannel.countAtMs === 0 &&
      !this.#readyChannels.has(presenceChannel)
    )
      this.#channels.delete(presenceChannel.channel);
  }
}
