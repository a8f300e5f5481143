import { Presence } from '../presence.ts';
import type { PresenceChange } from '../presence-events.ts';
import type { PresenceSettings, PresenceSnapshot } from '../presence-types.ts';
import { Onlooker, Telling } from './presence-onlooker.ts';

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

/** What is really so, and everybody who has been told of it. */
export class PresenceWorld {
  presence: Presence = new Presence(SETTINGS);
  readonly telling: Telling = new Telling();
  nowMs: number = 0;
  sessions: OpenSession[] = [];
  readonly #onlookers: { readonly channel: string; readonly onlooker: Onlooker }[] = [];
  /** When a user was last there, by channel and user; of those who are there it is now. */
  readonly #lastThereMs = new Map<string, number>();

  run(step: Step): void {
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
        return this.take(step.countMax);
      case 'look':
        for (const channel of CHANNELS)
          this.#onlookers.push({ channel, onlooker: new Onlooker(this.presence.snapshot(channel)) });
        return;
      case 'restart':
        return this.#restart();
    }
  }

  take(countMax: number): void {
    for (const change of this.presence.take(countMax, this.nowMs, this.nowMs)) {
      this.#check(change);
      this.telling.hear(change);
      for (const { channel, onlooker } of this.#onlookers)
        if ('channel' in change && change.channel === channel) onlooker.hear(change);
    }
    // Whoever has looked at any time and heard what came then knows what is told now.
    for (const { channel, onlooker } of this.#onlookers)
      must(normal(onlooker.snapshot) === normal(this.presence.snapshot(channel)), `an onlooker of ${channel} is wrong`);
  }

  /** Time passes until nothing is left to be told. */
  settle(): void {
    for (let round = 0; this.presence.isReady || this.presence.nextMs < Infinity; round++) {
      must(round < 1000, 'it settles');
      if (!this.presence.isReady) this.nowMs = Math.max(this.nowMs, this.presence.nextMs);
      this.presence.advance(this.nowMs);
      this.take(100);
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
    this.#lastThereMs.set(`${channel} ${user}`, this.nowMs);
  }

  #poll(channel: string, user: string): void {
    this.presence.poll(channel, user, undefined, this.nowMs);
    this.presence.pollAnything(user, this.nowMs);
    this.#lastThereMs.set(`${channel} ${user}`, this.nowMs);
  }

  /** The hub is killed: what was told is all that is known, and all have to come back. */
  #restart(): void {
    this.presence = new Presence(SETTINGS);
    this.presence.restore(this.telling.memory, this.nowMs);
    for (const { channel, user } of this.sessions) this.#lastThereMs.set(`${channel} ${user}`, this.nowMs);
    this.sessions = [];
  }

  #check(change: PresenceChange): void {
    const { telling } = this;
    switch (change.kind) {
      case 'join':
        return must(
          !telling.channel(change.channel).members.has(change.user),
          'a join is of somebody who was not there',
        );
      case 'update':
        return must(telling.channel(change.channel).members.has(change.user), 'an update is of somebody who was there');
      case 'leave':
        return this.#checkLeave(change.channel, change.user);
      case 'online':
      case 'offline':
        must(telling.online.has(change.user) === (change.kind === 'offline'), 'online and offline take turns');
        return must(change.sequence === telling.usersSequence + 1, 'users are told of in sequence');
      case 'occupied':
      case 'vacated':
        must(telling.occupied.has(change.channel) === (change.kind === 'vacated'), 'occupied and vacated take turns');
        return must(change.sequence === telling.channelsSequence + 1, 'channels are told of in sequence');
      case 'count':
        return;
    }
  }

  #checkLeave(channel: string, user: string): void {
    must(this.telling.channel(channel).members.has(user), 'a leave is of somebody who was there');
    must(!this.sessions.some((each) => each.channel === channel && each.user === user), 'whoever leaves is not there');
    const awayMs = this.nowMs - (this.#lastThereMs.get(`${channel} ${user}`) ?? -Infinity);
    must(awayMs >= SETTINGS.graceMs, `whoever leaves has been away for the grace, and not for ${awayMs} ms`);
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** To be compared: members in the order of their names. */
function normal({ isListed, users, anonymous, members }: PresenceSnapshot): string {
  const inOrder = members.toSorted((one, other) => (one.user < other.user ? -1 : 1));
  return JSON.stringify([
    isListed,
    users,
    anonymous,
    inOrder.map(({ user, ...shown }) => [user, shown.info, shown.sessions]),
  ]);
}
