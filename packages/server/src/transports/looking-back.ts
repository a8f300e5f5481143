import { PolycastError } from '@polycast/protocol';
import type { Position, StoredRecord } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import { startAfter } from '../core/start.ts';
import { allow } from './permission.ts';
import type { Services } from './services.ts';

/** From where a consumer wants to begin. */
export interface Wish {
  readonly after: string | undefined;
  readonly history: number | undefined;
}

/**
 * Whoever asks for what was before they came has to be allowed `history` as well (PROTOCOL.md section 13.4). A cursor that is not
 * old is a place where the consumer has been; an old one may be made up, and then it is a look back like any other.
 * @throws PolycastError `unauthorized`, `forbidden`, `invalid_cursor`
 */
export function allowLookingBack(
  services: Services,
  principal: Principal,
  channels: readonly string[],
  wish: Wish,
): void | Promise<void> {
  const from = wish.history !== undefined || wish.after === 'earliest' ? EVERYTHING : oldStart(services, wish.after);
  if (from === undefined) return undefined;
  const orRecent = (error: unknown): Promise<void> => refuseUnlessRecent(services, from, error);
  try {
    const allowed = allow(services, principal, 'history', channels);
    return from === EVERYTHING ? allowed : allowed?.catch(orRecent);
  } catch (error) {
    if (from === EVERYTHING) throw error;
    return orRecent(error);
  }
}

/** No cursor leads there. */
const EVERYTHING: Position = -1;

/** Where a cursor leads to, if that is not known from memory to be recent. */
function oldStart(services: Services, after: string | undefined): Position | undefined {
  const { feed, log } = services;
  if (after === undefined || after === 'now') return undefined;
  const { position } = startAfter(after, log.state);
  return feed.isRecent(position, recentFromMs(services)) ? undefined : position;
}

/** A busy hub's memory is short: what it does not know, the log does. */
async function refuseUnlessRecent(services: Services, from: Position, refusal: unknown): Promise<void> {
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
  if (next !== undefined && next.timeMs < recentFromMs(services)) throw refusal;
}

function recentFromMs({ clock, settings }: Services): number {
  return clock.nowMs() - settings.resumeMs;
}
