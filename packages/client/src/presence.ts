import type { PolycastEvent } from '@polycast/protocol';
import type { Connection } from './connection/connection.ts';
import { backoffMs } from './machine/backoff.ts';
import { sleep } from './sleep.ts';
import type { Subscription } from './connection/subscription.ts';

/** Somebody who is in a channel (PROTOCOL.md section 13.6). */
export interface PresentUser {
  readonly user: string;
  /** What the site shows of the user. */
  readonly info?: unknown;
  /** How many connections the user has there. */
  readonly sessions: number;
  /** When the user came, RFC 3339. */
  readonly since: string;
}

/** Who is in a channel at one moment. It does not change: the next moment is another one. */
export interface Presence {
  /** The first to come first; empty when the channel has so many that only counts are told. */
  readonly members: readonly PresentUser[];
  /** Whether `members` names them all. */
  readonly listed: boolean;
  /** How many users, listed or not. */
  readonly users: number;
  /** How many connections of nobody known. */
  readonly anonymous: number;
  /** What has brought it about; undefined where it was read anew as a whole: at first, and after a gap. */
  readonly change: PresenceChange | undefined;
}

export interface PresenceChange {
  readonly kind: 'join' | 'leave' | 'update' | 'count';
  /** Undefined for `count`. */
  readonly user: string | undefined;
}

/** To be iterated: `for await (const { members } of presence(connection, 'room.7'))`, once at a time. */
export interface PresenceWatch extends AsyncIterable<Presence> {
  /** Ends the iteration. Leaving its loop does so as well. */
  close(): void;
}

/** What the hub answers, and what its events carry. */
interface Snapshot extends Omit<Presence, 'change'> {
  readonly cursor: string;
}

/** Between tries to read a snapshot, doubled with each up to the cap. */
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 30_000;

/**
 * Who is in a channel, and each change of it: the hub's snapshot, and from the cursor that it is true at the stream of
 * changes, so that none is missed and none comes twice. The iteration rejects with PolycastError when the hub refuses, and
 * ends when the connection is closed.
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
      // It ends by itself only with the connection.
      if (!isStale) return;
    }
  }

  function isClosed(): boolean {
    return signal.aborted || connection.state.state === 'closed';
  }

  /** Undefined once it is closed. */
  async function read(): Promise<Snapshot | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        const response = await connection.fetch(`channels/${channel}/presence`, { signal });
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

/** A snapshot, and what has changed since: pure. */
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
