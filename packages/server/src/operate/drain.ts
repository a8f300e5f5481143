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
 * are still open shortly after are cut off. It goes by the clock, not by its pauses, which take
 * longer on a busy machine: container engines kill a hub that ends late.
 */
export async function drainSessions(
  sessions: DrainableSessions,
  timeMs: number,
  fraction: () => number,
): Promise<void> {
  const startMs = performance.now();
  const waiting = sessions.each();
  const steps = Math.max(1, Math.floor(timeMs / STEP_MS));
  const share = Math.ceil(sessions.size / steps);
  for (let step = 0; step < steps && sessions.size > 0;) {
    const next = Math.min(steps, Math.floor((performance.now() - startMs) / STEP_MS) + 1);
    for (let count = 0; count < share * (next - step); count++) {
      const { done, value } = waiting.next();
      if (done === true) break;
      value.drain(Math.floor(fraction() * RECONNECT_SPREAD_MS));
    }
    step = next;
    await pause(STEP_MS);
  }
  await waitUntil(() => sessions.size === 0, GRACE_MS);
  const remaining = sessions.each();
  for (let session = remaining.next(); session.done !== true; session = remaining.next()) session.value.destroy();
}

/** Waits until the last session has closed: a socket says so some turns after it was destroyed. */
export async function sessionsClosed(sessions: Pick<DrainableSessions, 'size'>): Promise<void> {
  // These turns are usually enough, and take no time.
  for (let turns = 0; turns < TURNS_MIN && sessions.size > 0; turns++)
    await new Promise((resolve) => void setImmediate(resolve));
  await waitUntil(() => sessions.size === 0, GRACE_MS);
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
  if (timeMs === 0) return;
  await waitUntil(async () => {
    server.closeIdleConnections();
    const openCount = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    return openCount === 0;
  }, timeMs);
}

/** The time that a drained session has for its last bytes. */
const GRACE_MS = 1000;
/** A process that stood still for the whole time still handles what has arrived meanwhile. */
const TURNS_MIN = 4;

async function waitUntil(isDone: () => boolean | Promise<boolean>, timeMs: number): Promise<void> {
  const endMs = performance.now() + timeMs;
  for (let turns = 0; turns < TURNS_MIN || performance.now() < endMs; turns++) {
    if (await isDone()) return;
    await pause(STEP_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
