import { NEWEST_PLACE, type SessionPlace } from '../core/session-journal/session-journal-store.ts';
import { firstPage } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { askOthers } from './other-hubs.ts';
import {
  endedPage,
  livePage,
  parsePlace,
  placeText,
  type EndedPage,
  type ListedSession,
  type SessionsQuery,
} from './session-pages.ts';

/**
 * The list of sessions over all hubs of a cluster. A page of live sessions is the first ones by id
 * of all hubs. A page of ended ones is the newest of all hubs, and `next` has the place in the
 * journal of each: `h1~17-1790000000000.h2~4-1790000000000`. Without a cluster `next` is the
 * place alone.
 */

/** What one hub contributes to a page. */
export interface HubSessions extends EndedPage {
  readonly hub: string;
  readonly journal: JournalSpan;
  /** Where this page began in its journal. */
  readonly start: SessionPlace;
  /** The hub started after the first page, so the page does not have its sessions. */
  readonly isLate: boolean;
}

interface JournalSpan {
  readonly isEnabled: boolean;
  readonly sinceMs: number | null;
}

/** The places in the journals, by hub. `undefined` at the first page. */
type Places = Readonly<Record<string, SessionPlace>> | undefined;

/** The page as the body of an answer. @throws PolycastError `invalid_parameter` */
export async function sessionList(parts: AdministrationParts, query: SessionsQuery): Promise<object> {
  const { shared } = parts.log;
  if (shared === undefined) return ownList(parts, query);
  const places = query.state === 'live' ? undefined : parsePlaces(query.after);
  const { answers, silence } = await askOthers<HubSessions>(parts.log, { kind: 'sessions', query, places });
  const hubs = [hubSessions(parts, query, places), ...answers];
  const late = hubs.filter(({ isLate }) => isLate).length;
  const missing = Object.keys(places ?? {}).filter((name) => hubs.every(({ hub }) => hub !== name)).length;
  // A hub that has started again is missing with its old name, and late with the new one.
  const silent = Math.max((silence.silentHubs ?? 0) + late, missing);
  const page = query.state === 'live' ? mergeLive(hubs, query.limit) : mergeEnded(hubs, query.limit);
  return { ...page, journal: journalJson(commonSpan(hubs)), ...(silent > 0 && { silentHubs: silent }) };
}

/** The part of this hub. */
export function hubSessions(parts: AdministrationParts, query: SessionsQuery, places: Places): HubSessions {
  const hub = parts.log.shared?.others.self ?? '';
  const of = { hub, journal: ownSpan(parts), start: NEWEST_PLACE, isLate: false };
  if (query.state === 'live') return { ...of, sessions: livePage(parts, query), next: null };
  const place = places === undefined ? NEWEST_PLACE : places[hub];
  if (place === undefined) return { ...of, isLate: true, sessions: [], next: null };
  return { ...of, ...endedPage(parts, query, place), start: place };
}

function ownList(parts: AdministrationParts, query: SessionsQuery): object {
  const journal = journalJson(ownSpan(parts));
  if (query.state === 'live') {
    const { shown, next } = firstPage(livePage(parts, query), query.limit, ({ id }) => id);
    return { sessions: shown.map(({ session }) => session), next, journal };
  }
  const { after } = query;
  const { sessions, next } = endedPage(parts, query, after === undefined ? NEWEST_PLACE : parsePlace(after));
  return { sessions: sessions.map(({ session }) => session), next: next === null ? null : placeText(next), journal };
}

interface Page {
  readonly sessions: readonly object[];
  readonly next: string | null;
}

/** The first ones of all are among the first ones of each. */
function mergeLive(hubs: readonly HubSessions[], limit: number): Page {
  const found = hubs
    .flatMap(({ hub, sessions }) => sessions.map(({ session, id }) => ({ id, session: { ...session, hub } })))
    .toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const { shown, next } = firstPage(found, limit, ({ id }) => id);
  return { sessions: shown.map(({ session }) => session), next };
}

/**
 * The newest of all, in the same order at each hub. Of those that opened in the same millisecond,
 * the ones of the first hub by name come first. The page ends where a hub has looked at too many
 * rows of its journal. What follows there may be newer than what the others have.
 */
export function mergeEnded(hubs: readonly HubSessions[], limit: number): Page {
  const sessions: object[] = [];
  const remaining = hubs.filter(({ isLate }) => !isLate).map((hub) => new RemainingSessions(hub));
  while (sessions.length < limit && !remaining.some((hub) => hub.first === undefined && hub.place !== undefined)) {
    const [newest] = remaining
      .filter(({ first }) => first !== undefined)
      .toSorted((one, other) => other.openedMs - one.openedMs || (one.hub < other.hub ? -1 : 1));
    if (newest === undefined) break;
    sessions.push(newest.take());
  }
  if (remaining.every(({ place }) => place === undefined)) return { sessions, next: null };
  const places = remaining.map(({ hub, place = OLDEST_PLACE }) => `${hub}~${placeText(place)}`);
  return { sessions, next: places.join('.') };
}

/** Before every session: the journal has no more. */
const OLDEST_PLACE: SessionPlace = { number: 0, openedMs: 0 };

/** The sessions of a hub that are not on the page yet. */
class RemainingSessions {
  readonly hub: string;
  readonly #sessions: readonly ListedSession[];
  readonly #start: SessionPlace;
  readonly #next: SessionPlace | null;
  #taken = 0;

  constructor({ hub, sessions, start, next }: HubSessions) {
    this.hub = hub;
    this.#sessions = sessions;
    this.#start = start;
    this.#next = next;
  }

  get first(): ListedSession | undefined {
    return this.#sessions[this.#taken];
  }

  get openedMs(): number {
    return this.first?.place.openedMs ?? 0;
  }

  /** Where the next page begins here. `undefined`: there is none. */
  get place(): SessionPlace | undefined {
    if (this.first === undefined) return this.#next ?? undefined;
    return this.#sessions[this.#taken - 1]?.place ?? this.#start;
  }

  take(): object {
    const { session } = this.#sessions[this.#taken++] as ListedSession;
    return { ...session, hub: this.hub };
  }
}

/** @throws PolycastError `invalid_parameter` */
function parsePlaces(after: string | undefined): Places {
  if (after === undefined) return undefined;
  const places: Record<string, SessionPlace> = {};
  for (const part of after.split('.')) {
    const [hub = '', place] = part.split('~');
    if (!/^[\da-z]{1,64}$/.test(hub) || place === undefined)
      throw invalidParameter('after', 'must be the `next` of a page');
    places[hub] = parsePlace(place);
  }
  return places;
}

function ownSpan({ journal }: AdministrationParts): JournalSpan {
  return { isEnabled: journal !== undefined, sinceMs: journal?.sinceMs ?? null };
}

/** What all hubs have recorded. */
function commonSpan(hubs: readonly HubSessions[]): JournalSpan {
  const since = hubs.map(({ journal }) => journal.sinceMs ?? Infinity);
  const sinceMs = Math.max(...since);
  return {
    isEnabled: hubs.every(({ journal }) => journal.isEnabled),
    sinceMs: sinceMs === Infinity ? null : sinceMs,
  };
}

function journalJson({ isEnabled, sinceMs }: JournalSpan): object {
  return { enabled: isEnabled, since: timestampOrNull(sinceMs ?? undefined) };
}
