import type { PolycastEvent } from '@polycast/protocol';
import type { Connection } from './connection/interface.ts';
import { backoffMs } from './machine/backoff.ts';
import { sleep } from './sleep.ts';
import type { Subscription } from './connection/subscription.ts';

/** A user who is present in a channel (PROTOCOL.md section 13.6). */
export interface PresentUser {
  readonly user: string;
  /** The data that the site shows of the user. */
  readonly info?: unknown;
  /** The number of the user's connections to the channel. */
  readonly sessions: number;
  /** The time at which the user joined, RFC 3339. */
  readonly since: string;
}

/** The presence of a channel at one moment. It is immutable: each change gives a new one. */
export interface Presence {
  /**
   * The members in the order in which they joined; empty when the channel has too many users to
   * list.
   */
  readonly members: readonly PresentUser[];
  /** Whether `members` contains all users. */
  readonly listed: boolean;
  /** The number of users, listed or not. */
  readonly users: number;
  /** The number of anonymous connections. */
  readonly anonymous: number;
  /** The change that led to it; undefined after a new snapshot: at first, and after a gap. */
  readonly change: PresenceChange | undefined;
}

export interface PresenceChange {
  readonly kind: 'join' | 'leave' | 'update' | 'count';
  /** Undefined for `count`. */
  readonly user: string | undefined;
}

/**
 * A watch of one channel. Iterate it, once at a time: `for await (const { members } of
 * presence(connection, 'room.7'))`.
 */
export interface PresenceWatch extends AsyncIterable<Presence> {
  /** Ends the iteration. Leaving its loop does so as well. */
  close(): void;
}

/**
 * The snapshot in the hub's answer. Events with the type `polycast.count` have its counts as data.
 */
interface Snapshot extends Omit<Presence, 'change'> {
  readonly cursor: string;
}

/** The wait between tries to read a snapshot, doubled with each try up to the cap. */
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 30_000;

/**
 * Watches the presence of a channel: reads the hub's snapshot, and then the changes from the
 * snapshot's cursor on. So no change is missed and none comes twice. The iteration rejects with
 * PolycastError when the hub refuses, and ends when the connection is closed.
 */
export function presence(connection: Connection, channel: string): PresenceWatch {
  const closing = new AbortController();
  const { signal } = closing;
  return { close: () => closing.abort(), [Symbol.asyncIterator]: watch };

  async function* watch(): AsyncGenerator<Presence, undefined, undefined> {
    while (!signal.aborted) {
      const snapshot = await read();
      if (snapshot === undefined || isClosed()) return;
      const state = createPresenceState(snapshot);
      let isStale = false;
      const subscription: Subscription = connection.subscribe(`polycast.presence.${channel}`, {
        after: snapshot.cursor,
        onGap() {
          isStale = true;
          subscription.close();
        },
      });
      const close = (): void => subscription.close();
      signal.addEventListener('abort', close);
      try {
        yield state.current(undefined);
        if (signal.aborted) return;
        for await (const event of subscription) yield state.current(state.apply(event));
      } finally {
        signal.removeEventListener('abort', close);
        close();
      }
      // The subscription ends by itself only with the connection.
      if (!isStale) return;
    }
  }

  function isClosed(): boolean {
    return signal.aborted || connection.state.state === 'closed';
  }

  /** Reads the snapshot; undefined once the watch is closed. */
  async function read(): Promise<Snapshot | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        const response = await connection.fetch(`channels/${encodeURIComponent(channel)}/presence`, { signal });
        return (await response.json()) as Snapshot;
      } catch (error) {
        if (isClosed()) return undefined;
        if ((error as { problem?: { retryable: boolean } }).problem?.retryable === false) throw error;
      }
      await sleep(backoffMs(failures, Math.random(), RETRY_BASE_MS, RETRY_CAP_MS), signal).catch(() => undefined);
    }
  }
}

interface PresenceState {
  apply(event: PolycastEvent): PresenceChange;
  current(change: PresenceChange | undefined): Presence;
}

/** A snapshot and the changes since: a pure reducer. */
export function createPresenceState({
  members: present,
  listed,
  users,
  anonymous,
}: Omit<Presence, 'change'>): PresenceState {
  const members = new Map(present.map((member) => [member.user, member]));
  return {
    apply({ type = '', data }) {
      const kind = type.replace('polycast.', '') as PresenceChange['kind'];
      if (kind === 'count') {
        ({ listed, users, anonymous } = data as Presence);
        if (!listed) members.clear();
        return { kind, user: undefined };
      }
      const member = data as PresentUser;
      if (kind === 'leave') members.delete(member.user);
      else members.set(member.user, member);
      return { kind, user: member.user };
    },
    current: (change) => ({
      members: [...members.values()],
      listed,
      users: listed ? members.size : users,
      anonymous,
      change,
    }),
  };
}
