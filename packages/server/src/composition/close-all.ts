import type { Log } from '../core/ports.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { RetentionTask } from '../operate/retention-task.ts';
import type { ScrubTask } from '../operate/scrub-task.ts';
import type { PresenceTask } from '../presence/presence-task.ts';
import type { HttpFrontend } from '../http/http-frontend.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { Dialects } from './dialects.ts';

/** What a hub has open. */
export interface OpenParts {
  readonly transport: HttpFrontend;
  readonly sessions: Sessions;
  readonly presence: PresenceTask;
  readonly dialects: Dialects;
  readonly engine: SubscriptionEngine;
  readonly retention: RetentionTask;
  readonly scrub: ScrubTask;
  readonly log: Log;
  /** Ends what happens by itself: timers, watched files. */
  stopTimers(): void;
  /** What nobody needs any more once the log is closed, in this order. */
  readonly closeAfterLog: readonly { close(): void | Promise<void> }[];
}

/** Ends all of a hub, in the order in which its parts need each other; also one that has only been half opened. */
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
  // What comes back of requests under way is told while there is a log to tell it to.
  await engine.close();
  await presence.close();
  // Publishes in flight get their answer before their connection goes.
  await log.close();
  server.closeAllConnections();
  transport.http2.destroy();
  await closed;
  for (const part of closeAfterLog) await part.close();
}

/** Makes what comes after what is open; if that fails, all of this is closed again, in this order. */
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
