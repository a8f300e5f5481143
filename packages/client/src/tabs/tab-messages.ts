import type { ClientMessage } from '@polycast/protocol';
import type { OpenRequest } from '../machine/state.ts';

/**
 * The messages between followers and the leading tab. Followers send on a BroadcastChannel with the
 * group's name, which all tabs receive. The leader answers each session on a channel of its own, so
 * that no tab receives the events of another. Its answers are the messages of a hub's WebSocket
 * (PROTOCOL.md section 7); `gone` ends the session.
 */
export type TabMessage =
  /** From a follower, which holds the session's lock for as long as it lives. */
  | { readonly op: 'open'; readonly session: string; readonly request: OpenRequest }
  | { readonly op: 'send'; readonly session: string; readonly message: ClientMessage }
  /** From a new leader: all followers have to open their sessions again. */
  | { readonly op: 'leader' };

/**
 * Browsers slow the timers of hidden pages down to one a minute. The lock shows the crash of a
 * leader immediately.
 */
export const TAB_HEARTBEAT_MS = 60_000;

export function sessionName(name: string, session: string): string {
  return `${name} ${session}`;
}

/** Settles when the signal aborts. A lock is held until then. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}

/** Calls `callback` while it holds the lock; releases the lock when the result has settled. */
export function withLock(name: string, callback: () => unknown): void {
  navigator.locks.request(name, callback).catch(() => undefined);
}
