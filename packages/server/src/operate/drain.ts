/** What is drained: sessions, one at a time. */
export interface DrainableSessions {
  readonly size: number;
  each(): Iterator<{ drain(reconnectInMs: number): void; destroy(): void }>;
}

const STEP_MS = 50;
/** A client comes back within this time of being told; spread, so that those who come next are not overrun. */
const RECONNECT_SPREAD_MS = 2000;

/**
 * Tells every session to go, evenly over the given time, each with a hint of its own when to come back; those that have not
 * gone soon after are cut off. Ends in bounded time.
 */
export async function drainSessions(
  sessions: DrainableSessions,
  timeMs: number,
  fraction: () => number,
): Promise<void> {
  const total = sessions.size;
  const waiting = sessions.each();
  const steps = Math.max(1, Math.floor(timeMs / STEP_MS));
  for (let step = 0; step < steps && sessions.size > 0; step++) {
    const share = Math.ceil(total / steps);
    for (let count = 0; count < share; count++) {
      const { done, value } = waiting.next();
      if (done === true) break;
      value.drain(Math.floor(fraction() * RECONNECT_SPREAD_MS));
    }
    await pause(STEP_MS);
  }
  for (let waited = 0; waited < GRACE_STEPS && sessions.size > 0; waited++) await pause(STEP_MS);
  const remaining = sessions.each();
  for (let session = remaining.next(); session.done !== true; session = remaining.next()) session.value.destroy();
}

/** What still has requests under way: a server, as the drain sees it. */
export interface DrainableServer {
  closeIdleConnections(): void;
  getConnections(callback: (error: Error | null, count: number) => void): void;
}

/** Lets requests under way come to their end, for so long at most; connections are closed as they become idle. */
export async function finishRequests(server: DrainableServer, timeMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < timeMs; waitedMs += STEP_MS) {
    server.closeIdleConnections();
    const openCount = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    if (openCount === 0) return;
    await pause(STEP_MS);
  }
}

/** How long a session that was told may take for its last bytes: one second. */
const GRACE_STEPS = 20;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
