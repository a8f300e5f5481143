/** The sessions to drain, one at a time. */
export interface DrainableSessions {
  readonly size: number;
  each(): Iterator<{ drain(reconnectInMs: number): void; destroy(): void }>;
}

const STEP_MS = 50;
/**
 * Clients reconnect within this time. It is spread, so that the hub that they reach next is not
 * overloaded.
 */
const RECONNECT_SPREAD_MS = 2000;

/**
 * Drains all sessions evenly over the given time, each with its own reconnect delay. Sessions that
 * are still open shortly after are cut off. Ends in bounded time.
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

/** A server with requests in flight, as far as the drain needs it. */
export interface DrainableServer {
  closeIdleConnections(): void;
  getConnections(callback: (error: Error | null, count: number) => void): void;
}

/**
 * Waits for requests in flight, at most for the given time, and closes connections as they become
 * idle.
 */
export async function finishRequests(server: DrainableServer, timeMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < timeMs; waitedMs += STEP_MS) {
    server.closeIdleConnections();
    const openCount = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    if (openCount === 0) return;
    await pause(STEP_MS);
  }
}

/** The time that a drained session has for its last bytes, in steps: one second. */
const GRACE_STEPS = 20;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
