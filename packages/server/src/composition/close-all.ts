import type { Log } from '../core/ports.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { RetentionTask } from '../operate/retention-task.ts';
import type { ScrubTask } from '../operate/scrub-task.ts';
import type { PresenceTask } from '../presence/presence-task.ts';
import type { HttpFrontend } from '../http/http-frontend.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { Dialects } from './dialects.ts';

/** The open parts of a hub. */
export interface OpenParts {
  readonly transport: HttpFrontend;
  readonly sessions: Sessions;
  readonly presence: PresenceTask;
  readonly dialects: Dialects;
  readonly engine: SubscriptionEngine;
  readonly retention: RetentionTask;
  readonly scrub: ScrubTask;
  readonly log: Log;
  /** Stops timers and watched files. */
  stopTimers(): void;
  /** The parts that are needed until the log is closed, in the order of closing. */
  readonly closeAfterLog: readonly { close(): void | Promise<void> }[];
}

/**
 * Closes a hub in the order in which its parts depend on each other. It also closes a hub that is
 * only half opened.
 */
export async function closeAll({
  transport,
  sessions,
  presence,
  dialects,
  engine,
  retention,
  scrub,
  log,
  stopTimers,
  closeAfterLog,
}: OpenParts): Promise<void> {
  transport.drain();
  presence.freeze();
  await retention.close();
  await scrub.close();
  stopTimers();
  for (const session of sessions.each()) session.destroy();
  const { server } = transport;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await dialects.close();
  // The outcomes of requests in flight are recorded while the log is open.
  await engine.close();
  await presence.close();
  // Publishes in flight receive their response before their connection closes.
  await log.close();
  server.closeAllConnections();
  transport.http2.destroy();
  await closed;
  for (const part of closeAfterLog) await part.close();
}

/** Opens the next part. If that fails, it closes the open parts, in the given order. */
export async function openOrClose<Made>(
  open: readonly { close(): void | Promise<void> }[],
  make: () => Made | Promise<Made>,
): Promise<Made> {
  try {
    return await make();
  } catch (error) {
    for (const part of open) await part.close();
    throw error;
  }
}
