import type { ClientMessage } from '@polycast/protocol';
import type { OpenRequest } from '../machine/state.ts';

/**
 * How tabs speak with the one that leads. The followers speak on a channel of that name, which all hear. The leader
 * answers each session on a channel of its own, in the messages of a hub's WebSocket (PROTOCOL.md section 7), so that no tab
 * hears what is for another; `gone` there means that it does not serve the session any more.
 */
export type TabMessage =
  /** From a follower, which holds the session's lock for as long as it lives. */
  | { readonly op: 'open'; readonly session: string; readonly request: OpenRequest }
  | { readonly op: 'send'; readonly session: string; readonly message: ClientMessage }
  /** From a new leader: whoever had another, or none, is to open again. */
  | { readonly op: 'leader' };

/** Browsers slow the timers of hidden pages down to one a minute. A leader that crashed is noticed by its lock, at once. */
export const TAB_HEARTBEAT_MS = 60_000;

export function sessionName(name: string, session: string): string {
  return `${name} ${session}`;
}

/** Settles when the signal aborts: what a lock is held for. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}

/** Does something when the lock is had, which is given back when that is done. */
export function withLock(name: string, callback: () => unknown): void {
  navigator.locks.request(name, callback).catch(() => undefined);
}
