import { PolycastError } from '@polycast/protocol';
import type { Position, StoredRecord } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { resolveStart } from '../core/start.ts';
import { authorize } from './permission.ts';
import type { Services } from '../http/services.ts';

/** From where a consumer wants to begin. */
export interface StartOptions {
  readonly after: string | undefined;
  readonly history: number | undefined;
}

/**
 * Whoever asks for what was before they came has to be allowed `history` as well (PROTOCOL.md section 13.4). A cursor that is not
 * old is a place where the consumer has been; an old one may be made up, and then it is a look back like any other.
 * @throws PolycastError `unauthorized`, `forbidden`, `invalid_cursor`
 */
export function authorizeHistory(
  services: Services,
  principal: Principal,
  channels: readonly string[],
  start: StartOptions,
): void | Promise<void> {
  const from =
    start.history !== undefined || start.after === 'earliest' ? WHOLE_LOG : oldStartPosition(services, start.after);
  if (from === undefined) return undefined;
  const unlessRecent = (error: unknown): Promise<void> => allowIfRecent(services, from, error);
  try {
    const allowed = authorize(services, principal, 'history', channels);
    return from === WHOLE_LOG ? allowed : allowed?.catch(unlessRecent);
  } catch (error) {
    if (from === WHOLE_LOG) throw error;
    return unlessRecent(error);
  }
}

/** No cursor leads there. */
const WHOLE_LOG: Position = -1;

/** Where a cursor leads to, if that is not known from memory to be recent. */
function oldStartPosition(services: Services, after: string | undefined): Position | undefined {
  const { feed, log } = services;
  if (after === undefined || after === 'now') return undefined;
  const { position } = resolveStart(after, log.state);
  return feed.isRecent(position, resumeWindowStartMs(services)) ? undefined : position;
}

/** A busy hub's memory is short: what it does not know, the log does. */
async function allowIfRecent(services: Services, from: Position, refusal: unknown): Promise<void> {
  if (!(refusal instanceof PolycastError) || refusal.code === 'identity_unavailable') throw refusal;
  const { feed } = services;
  const interest = feed.interest(['>']);
  let next: StoredRecord | undefined;
  // What is damaged makes a page of its own: the event behind it is the one that tells.
  for (let after = from; next === undefined && after < feed.head;) {
    const page = await feed.read(interest, after, feed.head, 'forward', 1, 1);
    [next] = page.records;
    after = page.reached;
  }
  if (next !== undefined && next.timeMs < resumeWindowStartMs(services)) throw refusal;
}

function resumeWindowStartMs({ clock, settings }: Services): number {
  return clock.nowMs() - settings.resumeWindowMs;
}
