import { PolycastError } from '@polycast/protocol';
import type { Log, Position, StoredRecord } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { resolveStart } from '../core/start.ts';
import type { Feed } from '../core/feed.ts';
import type { AuthParts } from './auth-parts.ts';
import { authorize } from './permission.ts';

/** The parts that find out whether a cursor is recent. */
export interface HistoryParts {
  readonly auth: AuthParts;
  readonly feed: Feed;
  readonly log: Pick<Log, 'state' | 'reach'>;
}

/** The start that a consumer requests. */
export interface StartOptions {
  readonly after: string | undefined;
  readonly history: number | undefined;
}

/**
 * Checks the permission `history` of a caller that asks for past events (PROTOCOL.md section 13.4).
 * A recent cursor needs no permission: the consumer resumes from it. An old cursor may be made up,
 * so it counts as a request for history.
 * @throws PolycastError `unauthorized`, `forbidden`, `invalid_cursor`
 */
export function authorizeHistory(
  parts: HistoryParts,
  principal: Principal,
  channels: readonly string[],
  start: StartOptions,
): void | Promise<void> {
  const from =
    start.history !== undefined || start.after === 'earliest' ? WHOLE_LOG : oldStartPosition(parts, start.after);
  if (from === undefined) return undefined;
  const unlessRecent = (error: unknown): Promise<void> => allowIfRecent(parts, from, error);
  try {
    const allowed = authorize(parts.auth, principal, 'history', channels);
    return from === WHOLE_LOG ? allowed : allowed?.catch(unlessRecent);
  } catch (error) {
    if (from === WHOLE_LOG) throw error;
    return unlessRecent(error);
  }
}

/** A start before every cursor. */
const WHOLE_LOG: Position = -1;

/** The position of a cursor, unless memory shows that it is recent. */
function oldStartPosition(parts: HistoryParts, after: string | undefined): Position | undefined {
  const { feed, log } = parts;
  if (after === undefined || after === 'now') return undefined;
  const { position } = resolveStart(after, log.state);
  return feed.isRecent(position, resumeWindowStartMs(parts.auth)) ? undefined : position;
}

/**
 * Allows a start if the log shows that it is recent. The memory of a busy hub covers only a short
 * time.
 */
async function allowIfRecent(parts: HistoryParts, from: Position, refusal: unknown): Promise<void> {
  if (!(refusal instanceof PolycastError) || refusal.code === 'identity_unavailable') throw refusal;
  const { feed } = parts;
  const interest = feed.interest(['>']);
  let next: StoredRecord | undefined;
  // A damaged range is a page without records. The event after it has the time to compare.
  for (let after = from; next === undefined && after < feed.head;) {
    const page = await feed.read(interest, after, feed.head, 'forward', 1, 1);
    [next] = page.records;
    after = page.reached;
  }
  if (next !== undefined && next.timeMs < resumeWindowStartMs(parts.auth)) throw refusal;
}

function resumeWindowStartMs({ clock, settings }: AuthParts): number {
  return clock.nowMs() - settings.resumeWindowMs;
}
