import { ByteBudget, type MemoryUsage } from '../primitives/byte-budget.ts';
import type { PresenceChange } from './presence-events.ts';
import { PresenceInfoStore } from './presence-info-store.ts';
import { sessionCount, PresenceChannel, type PresenceMember } from './presence-members.ts';
import { PresenceAnnouncer } from './presence-announcer.ts';
import type { StoredPresence, PresenceSettings, PresenceSnapshot, StoredPresenceChannel } from './presence-types.ts';
import { TokenBuckets } from '../primitives/token-buckets.ts';

/**
 * Who is where, and what others have yet to be told of it. Sessions come and go by `enter` and `leave`, in any order and number;
 * `take` hands out the changes to publish, each of them debounced: whoever comes is told of at once, whoever goes only after the
 * grace, and whoever comes back within it was never away. It has no clock: `nowMs` is of one that never goes back.
 */
export class Presence {
  readonly #settings: PresenceSettings;
  readonly #announcer: PresenceAnnouncer;
  readonly #channels = new Map<string, PresenceChannel>();
  /** All users who are connected, in no channel in particular. */
  readonly #allUsers = new PresenceChannel('');
  /** To be told of now. Bounded by the members there are: what comes and goes while nobody can be told, cancels out. */
  readonly #ready = new Set<PresenceMember>();
  readonly #readyChannels = new Set<PresenceChannel>();
  /** In the order of their times, since the time between is the same for all of a set. */
  readonly #delayed = new Set<PresenceMember>();
  readonly #polled = new Set<PresenceMember>();
  readonly #delayedChannels = new Set<PresenceChannel>();
  /** Of channels that cannot be begun yet. */
  readonly #deferred = new Set<PresenceMember>();
  #deferredUntilMs = 0;
  readonly #newChannelBuckets = new TokenBuckets();
  /** Members, each with its part of what their channel takes; a user has a share. */
  readonly #members: ByteBudget;
  readonly #infos: PresenceInfoStore;

  constructor(settings: PresenceSettings) {
    this.#settings = settings;
    this.#members = new ByteBudget(settings.membersBytesMax, settings.userMembersBytesMax);
    this.#infos = new PresenceInfoStore(settings.infosBytesMax);
    this.#announcer = new PresenceAnnouncer(settings, this.#infos);
    this.#allUsers.hasAnnounced = true;
  }

  /** A session begins, or is in a further channel; of `undefined`: it is nobody known. */
  enter(channel: string, user: string | undefined, info: unknown, nowMs: number): void {
    const member = this.#memberOf(this.#channelOf(channel), user, info);
    member.sessions++;
    this.#scheduleAnnouncement(member, sessionCount(member) - 1, nowMs);
  }

  /** What `enter` has said is so no more. */
  leave(channel: string, user: string | undefined, nowMs: number): void {
    const member = this.#channels.get(channel)?.member(user);
    if (member !== undefined) this.#removeSession(member, nowMs);
  }

  /** A user has polled the channel. */
  poll(channel: string, user: string, info: unknown, nowMs: number): void {
    this.#poll(this.#memberOf(this.#channelOf(channel), user, info), nowMs);
  }

  /** A user has a session, wherever. */
  connect(user: string, nowMs: number): void {
    const member = this.#memberOf(this.#allUsers, user, undefined);
    member.sessions++;
    this.#scheduleAnnouncement(member, sessionCount(member) - 1, nowMs);
  }

  disconnect(user: string, nowMs: number): void {
    const member = this.#allUsers.member(user);
    if (member !== undefined) this.#removeSession(member, nowMs);
  }

  /** A user has polled, whatever. */
  pollUser(user: string, nowMs: number): void {
    this.#poll(this.#memberOf(this.#allUsers, user, undefined), nowMs);
  }

  /** What members take, and what is shown of them. */
  get memoryUsage(): Readonly<Record<'presence_members' | 'presence_info', MemoryUsage>> {
    return { presence_members: this.#members, presence_info: this.#infos };
  }

  /** Whether there is room for a user, or for somebody unknown, in all of these channels. To be asked before `enter` and `poll`. */
  hasCapacity(channels: readonly string[], user: string | undefined): boolean {
    let bytes = 0;
    for (const channel of channels)
      if (this.#channels.get(channel)?.member(user) === undefined) bytes += memberBytes(channel, user);
    return bytes === 0 || this.#members.canReserve(bytes, user);
  }

  /** Channels that something is known of. */
  get size(): number {
    return this.#channels.size;
  }

  /** Whether `connect` or `pollAnything` has said of a user that they are there. */
  isOnline(user: string): boolean {
    const member = this.#allUsers.member(user);
    return member !== undefined && sessionCount(member) > 0;
  }

  /** Those of whom `isOnline` is true. */
  *onlineUsers(): Generator<string> {
    for (const [user, member] of this.#allUsers.users) if (sessionCount(member) > 0) yield user;
  }

  /** When `advance` has something to do next; `Infinity` for never. */
  get nextMs(): number {
    let nextMs = this.#deferred.size === 0 ? Infinity : this.#deferredUntilMs;
    for (const { announceAtMs: dueMs } of this.#delayed) {
      nextMs = Math.min(nextMs, dueMs);
      break;
    }
    for (const { polledUntilMs } of this.#polled) {
      nextMs = Math.min(nextMs, polledUntilMs);
      break;
    }
    for (const { countAtMs: countDueMs } of this.#delayedChannels) {
      nextMs = Math.min(nextMs, countDueMs);
      break;
    }
    return nextMs;
  }

  /** Whether `take` has something to hand out, perhaps. */
  get isReady(): boolean {
    return this.#ready.size > 0 || this.#readyChannels.size > 0;
  }

  /** Members of whom something is to be told as soon as may be. */
  get pendingCount(): number {
    return this.#ready.size + this.#readyChannels.size + this.#deferred.size;
  }

  /** Brings forward what is due. */
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
   * The changes to be published now, in order; from then on they count as told. Some more than `countMax` when a channel is
   * listed again.
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

  /** What has been told of a channel; nobody is in one that nothing is known of. */
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

  /** Takes up what had been told before a restart: those who do not come back leave after the grace. To be called first. */
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
    // Equal ones are the same one, so that what was told is compared at a glance.
    const sharedInfo = this.#infos.acquire(info);
    this.#infos.release(member.info);
    member.info = sharedInfo;
    return member;
  }

  /** Whoever is not to be let in was refused before. */
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

  #removeSession(member: PresenceMember, nowMs: number): void {
    if (member.sessions === 0) return;
    member.sessions--;
    this.#scheduleAnnouncement(member, sessionCount(member) + 1, nowMs);
  }

  /** Decides whether others are to be told, now, later or not at all. */
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

  /** Whether a member's channel has been begun, or is now. */
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

  /** A second's worth of those that wait, the longest first. */
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

  /** What changes in a room that is not listed is told once in a grace. */
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

/** The member and the channel, as if nobody else were in it; names that are not Latin-1 have two bytes a character. */
function memberBytes(channel: string, user: string | undefined): number {
  return MEMBER_BYTES + 2 * channel.length + 2 * (user?.length ?? 0);
}

/** Both objects, their places in maps and sets, and the member's place in the list that is shown. */
const MEMBER_BYTES = 700;
