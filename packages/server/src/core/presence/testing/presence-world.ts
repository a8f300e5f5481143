import { Presence } from '../presence.ts';
import type { PresenceChange } from '../presence-events.ts';
import type { PresenceSettings, PresenceSnapshot } from '../presence-types.ts';
import { PresenceObserver, PublishedPresence } from './presence-observer.ts';

const SETTINGS: PresenceSettings = {
  graceMs: 100,
  pollGraceMs: 300,
  listedMax: 2,
  systemEvents: true,
  newChannelsPerSecond: 2,
  newChannelsBurst: 1,
  membersBytesMax: 1e9,
  userMembersBytesMax: 1e9,
  infosBytesMax: 1e9,
};
export const CHANNELS: readonly string[] = ['a', 'b'];
export const USERS: readonly (string | undefined)[] = ['ann', 'bob', 'cyd', undefined];

export type Step =
  | { readonly do: 'open'; readonly channel: number; readonly user: number; readonly info: number }
  | { readonly do: 'close'; readonly session: number }
  | { readonly do: 'poll'; readonly channel: number; readonly user: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'take'; readonly countMax: number }
  | { readonly do: 'look' }
  | { readonly do: 'restart' };

export interface OpenSession {
  readonly channel: string;
  readonly user: string | undefined;
}

/** The true state, and all observers of the announcements. */
export class PresenceWorld {
  presence: Presence = new Presence(SETTINGS);
  readonly published: PublishedPresence = new PublishedPresence();
  nowMs: number = 0;
  sessions: OpenSession[] = [];
  readonly #observers: { readonly channel: string; readonly observer: PresenceObserver }[] = [];
  /**
   * The last time at which a user was present, by channel and user. For present users it is now.
   */
  readonly #lastPresentMs = new Map<string, number>();

  run(step: Step): void {
    this.#take(step);
    this.presence.assertInvariants();
  }

  #take(step: Step): void {
    switch (step.do) {
      case 'open':
        return this.#open(CHANNELS[step.channel] as string, USERS[step.user], step.info === 0 ? undefined : step.info);
      case 'close':
        return this.#close(step.session);
      case 'poll':
        return this.#poll(CHANNELS[step.channel] as string, USERS[step.user] as string);
      case 'wait':
        this.nowMs += step.ms;
        this.presence.advance(this.nowMs);
        return;
      case 'take':
        return this.takeChanges(step.countMax);
      case 'look':
        for (const channel of CHANNELS)
          this.#observers.push({ channel, observer: new PresenceObserver(this.presence.snapshot(channel)) });
        return;
      case 'restart':
        return this.#restart();
    }
  }

  takeChanges(countMax: number): void {
    for (const change of this.presence.takeChanges(countMax, this.nowMs, this.nowMs)) {
      this.#check(change);
      this.published.apply(change);
      for (const { channel, observer } of this.#observers)
        if ('channel' in change && change.channel === channel) observer.apply(change);
    }
    // An observer that took a snapshot at any time and received all changes since has the announced
    // state.
    for (const { channel, observer } of this.#observers)
      assert(
        normalized(observer.snapshot) === normalized(this.presence.snapshot(channel)),
        `an onlooker of ${channel} is wrong`,
      );
  }

  /** Advances time until there is nothing left to announce. */
  settle(): void {
    for (let round = 0; this.presence.isReady || this.presence.nextMs < Infinity; round++) {
      assert(round < 1000, 'it settles');
      if (!this.presence.isReady) this.nowMs = Math.max(this.nowMs, this.presence.nextMs);
      this.presence.advance(this.nowMs);
      this.takeChanges(100);
    }
  }

  #open(channel: string, user: string | undefined, info: unknown): void {
    this.sessions.push({ channel, user });
    this.presence.enter(channel, user, user === undefined ? undefined : info, this.nowMs);
    if (user !== undefined) this.presence.connect(user, this.nowMs);
  }

  #close(index: number): void {
    const [session] = this.sessions.splice(index % Math.max(1, this.sessions.length), 1);
    if (session === undefined) return;
    const { channel, user } = session;
    this.presence.leave(channel, user, this.nowMs);
    if (user !== undefined) this.presence.disconnect(user, this.nowMs);
    this.#lastPresentMs.set(`${channel} ${user}`, this.nowMs);
  }

  #poll(channel: string, user: string): void {
    this.presence.poll(channel, user, undefined, this.nowMs);
    this.presence.pollUser(user, this.nowMs);
    this.#lastPresentMs.set(`${channel} ${user}`, this.nowMs);
  }

  /** Kills the hub: only the published state remains, and all sessions have to reconnect. */
  #restart(): void {
    this.presence = new Presence(SETTINGS);
    this.presence.restore(this.published.stored, this.nowMs);
    for (const { channel, user } of this.sessions) this.#lastPresentMs.set(`${channel} ${user}`, this.nowMs);
    this.sessions = [];
  }

  #check(change: PresenceChange): void {
    const { published } = this;
    switch (change.kind) {
      case 'join':
        return assert(
          !published.channel(change.channel).members.has(change.user),
          'a join is of somebody who was not there',
        );
      case 'update':
        return assert(
          published.channel(change.channel).members.has(change.user),
          'an update is of somebody who was there',
        );
      case 'leave':
        return this.#checkLeave(change.channel, change.user);
      case 'online':
      case 'offline':
        assert(published.online.has(change.user) === (change.kind === 'offline'), 'online and offline take turns');
        return assert(change.sequence === published.usersSequence + 1, 'users are told of in sequence');
      case 'occupied':
      case 'vacated':
        assert(
          published.occupied.has(change.channel) === (change.kind === 'vacated'),
          'occupied and vacated take turns',
        );
        return assert(change.sequence === published.channelsSequence + 1, 'channels are told of in sequence');
      case 'count':
        return;
    }
  }

  #checkLeave(channel: string, user: string): void {
    assert(this.published.channel(channel).members.has(user), 'a leave is of somebody who was there');
    assert(
      !this.sessions.some((each) => each.channel === channel && each.user === user),
      'whoever leaves is not there',
    );
    const awayMs = this.nowMs - (this.#lastPresentMs.get(`${channel} ${user}`) ?? -Infinity);
    assert(awayMs >= SETTINGS.graceMs, `whoever leaves has been away for the grace, and not for ${awayMs} ms`);
  }
}

function assert(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** For comparisons: members in the order of their names. */
function normalized({ isListed, users, anonymous, members }: PresenceSnapshot): string {
  const inOrder = members.toSorted((one, other) => (one.user < other.user ? -1 : 1));
  return JSON.stringify([
    isListed,
    users,
    anonymous,
    inOrder.map(({ user, ...shown }) => [user, shown.info, shown.sessions]),
  ]);
}
