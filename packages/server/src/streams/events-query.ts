import { hasWildcard, isPattern, parseCursor, PolycastError, type Cursor } from '@polycast/protocol';
import { OWN_CHANNEL_ALIAS } from '../core/access/private-channel.ts';
import { NO_TIMES } from '../core/start.ts';
import type { Interest } from '../core/interests/interest.ts';
import type { ParsedQuery } from '../http/sockets/idle-connections.ts';
import { checkClient } from '../auth/author.ts';
import { parseQueryPairs, readInteger, repeatedParameter, unknownParameter } from '../http/query.ts';
import { integerParameter, limitParameter, type QueryParameter } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';

/**
 * The query of `GET /v1/events`, checked (PROTOCOL.md section 4). Example:
 * `?channel=orders.*&after=earliest&wait=30`.
 */
export interface EventsQuery extends ParsedQuery {
  /** Channels, patterns, and `@me`. */
  readonly channels: readonly string[];
  /** The query has `@me`, which is another channel for each user. */
  readonly isPersonal: boolean;
  readonly after: string | undefined;
  readonly history: number | undefined;
  /**
   * The value of `Last-Event-ID` from a client that cannot set headers. An empty value counts as
   * absent.
   */
  readonly lastEventId: string | undefined;
  readonly types: readonly string[] | undefined;
  readonly limit: number;
  readonly waitSeconds: number | undefined;
  readonly token: string | undefined;
  /** A name that the client chooses, the same over all its connections. */
  readonly client: string | undefined;
  /** Leave out the events that this client published. */
  readonly excludesSelf: boolean;
  /** A short poll with this query does not count as presence (PROTOCOL.md section 13.6). */
  readonly isPresenceExempt: boolean;
  /**
   * The interest of the query. The first request sets it; later requests for the same address reuse
   * it.
   */
  interest?: Interest;
  /** `after`, if it is a cursor. */
  readonly afterCursor: Cursor | undefined;
  /**
   * The last `If-None-Match` of a request for this address, the caller that it was read for, and
   * its cursor.
   */
  lastIfNoneMatch?: string;
  lastCallerTag?: string;
  lastTagCursor?: Cursor | undefined;
}

export const TYPES_MAX = 20;
export const HISTORY_MAX = 1000;
/** The parameters that need no setting. The description of the route names them too. */
export const HISTORY: QueryParameter<number | undefined> = integerParameter(
  'history',
  { min: 1, max: HISTORY_MAX },
  'Begin with the last N events. Cannot be combined with `after`.',
);
export const LIMIT: QueryParameter<number> = limitParameter(
  1000,
  100,
  'Polls: the maximum number of events in the response.',
);
/** A client that polls sends the same address again and again. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;
/**
 * The estimate in bytes of a query with its lists and its interest, even if no other part of the
 * hub holds that interest.
 */
const QUERY_BYTES = 1000;
const QUERY_BYTES_PER_CHARACTER = 8;
/**
 * In characters. Longer addresses are parsed each time, even if a connection asks for the same one
 * again.
 */
const CACHED_LENGTH_MAX = 512;

/** Whether the query that a connection remembers is one of this route. */
export function isEventsQuery(query: ParsedQuery): query is EventsQuery {
  return 'channels' in query;
}

/** Whether a query may be cached for later requests. */
export function isCacheable({ url, token }: EventsQuery): boolean {
  return token === undefined && url.length < CACHED_LENGTH_MAX;
}

/** Parses queries and caches the result. */
export class EventsQueryParser {
  readonly #channelsMax: number;
  readonly #waitMaxSeconds: number;
  readonly #cache = new BoundedCache<EventsQuery>(
    CACHE_BYTES_MAX,
    ({ url }) => QUERY_BYTES + QUERY_BYTES_PER_CHARACTER * url.length,
  );

  constructor(limits: { readonly channelsPerConsumerMax: number; readonly pollWaitMaxSeconds: number }) {
    this.#channelsMax = limits.channelsPerConsumerMax;
    this.#waitMaxSeconds = limits.pollWaitMaxSeconds;
  }

  /**
   * Parses the query of an address, `/v1/events?…`.
   * @throws PolycastError `invalid_parameter`, `invalid_pattern`, `too_many_channels`
   */
  parse(url: string): EventsQuery {
    let query = this.#cache.get(url);
    if (query === undefined) {
      const question = url.indexOf('?');
      query = { url, ...this.#parseQuery(question < 0 ? '' : url.slice(question + 1)) };
      if (isCacheable(query)) this.#cache.set(url, query);
    }
    return query;
  }

  #parseQuery(query: string): Omit<EventsQuery, 'url'> {
    const channels: string[] = [];
    const types: string[] = [];
    const single = new Map<string, string>();
    for (const [name, value] of parseQueryPairs(query)) {
      if (name === 'channel') {
        if (channels.push(value === OWN_CHANNEL_ALIAS ? value : checkPattern(value)) > this.#channelsMax)
          throw tooManyChannels(this.#channelsMax);
      } else if (name === 'type') types.push(value);
      else if (!SINGLE_PARAMETERS.has(name)) throw unknownParameter(name, TIME_ADVICE.get(name));
      else if (single.has(name)) throw repeatedParameter(name);
      else single.set(name, value);
    }
    checkPatternTokens(channels, this.#channelsMax);
    if (types.length > TYPES_MAX) throw invalidParameter('type', `may occur at most ${TYPES_MAX} times`);
    const after = single.get('after');
    const history = HISTORY.read(single);
    if (after !== undefined && history !== undefined)
      throw invalidParameter('history', 'cannot be combined with after');
    const client = single.get('client');
    const exclude = single.get('exclude');
    if (exclude !== undefined && exclude !== 'self') throw invalidParameter('exclude', 'can be self');
    return {
      channels,
      isPersonal: channels.includes(OWN_CHANNEL_ALIAS),
      after,
      afterCursor: after === undefined ? undefined : parseCursor(after),
      history,
      lastEventId: single.get('lastEventId') || undefined,
      types: types.length === 0 ? undefined : types,
      limit: LIMIT.read(single),
      waitSeconds: readInteger(single, 'wait', 0, this.#waitMaxSeconds),
      token: single.get('token'),
      client: client === undefined ? undefined : checkClient(client),
      excludesSelf: exclude !== undefined,
      isPresenceExempt: parsePresence(single.get('presence')),
    };
  }
}

/** @throws PolycastError `invalid_pattern` */
export function checkPattern(pattern: string): string {
  if (isPattern(pattern)) return pattern;
  throw new PolycastError(
    'invalid_pattern',
    `${JSON.stringify(pattern.slice(0, 64))} is neither a channel nor a pattern.`,
  );
}

/**
 * Bounds the tokens of all patterns of one consumer, because each token costs every publisher
 * (PROTOCOL.md section 4). Patterns of usual length may be as many as the channels; of longer ones
 * fewer fit.
 * @throws PolycastError `too_many_channels`
 */
export function checkPatternTokens(patterns: readonly string[], channelsMax: number): void {
  let tokens = 0;
  for (const pattern of patterns) if (hasWildcard(pattern)) tokens += pattern.split('.').length;
  const limit = channelsMax * TOKENS_PER_PATTERN;
  if (tokens > limit)
    throw new PolycastError('too_many_channels', `The patterns of one consumer may have ${limit} tokens in total.`, {
      limit,
    });
}

const TOKENS_PER_PATTERN = 10;

function parsePresence(presence: string | undefined): boolean {
  if (presence !== undefined && presence !== 'none') throw invalidParameter('presence', 'can be none');
  return presence !== undefined;
}

export function tooManyChannels(limit: number): PolycastError {
  return new PolycastError('too_many_channels', `The limit is ${limit} channels and patterns.`, { limit });
}

/** Names under which callers give a time. */
export const TIME_ADVICE: ReadonlyMap<string, string> = new Map(
  ['since', 'until', 'from', 'to', 'start', 'end'].map((name) => [name, NO_TIMES]),
);

const SINGLE_PARAMETERS: ReadonlySet<string> = new Set([
  'after',
  'history',
  'lastEventId',
  'limit',
  'wait',
  'token',
  'client',
  'exclude',
  'presence',
]);
