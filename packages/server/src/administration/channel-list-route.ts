import * as z from 'zod';
import { encodeCursor, matches } from '@polycast/protocol';
import type { ChannelState, Log } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { checkPattern } from '../streams/events-query.ts';
import { AccessError } from '../auth/access-error.ts';
import { checkScope } from '../auth/permission.ts';
import type { Route } from '../auth/route.ts';
import type { AuthParts } from '../auth/auth-parts.ts';
import { json, response } from '../http/route-description.ts';
import { channel, count, cursor, named, page, pattern, time } from '../http/openapi/schemas.ts';
import { limitParameter, readQuery, textParameter } from '../http/query-parameter.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { AdministrationParts } from './administration-parts.ts';

const LIMIT = limitParameter(1000, 100, 'The maximum number of channels.');
const MATCH = textParameter('match', pattern().default('>'), 'Only channels that match this pattern.');
const AFTER = textParameter('after', z.string(), '`next` of the previous page.');
const PREFIX = textParameter('prefix', z.string(), 'Only channels whose names begin with this text.');
const CONTAINS = textParameter('contains', z.string(), 'Only channels whose names contain this text, in any case.');
const PARAMETERS = [MATCH, PREFIX, CONTAINS, LIMIT, AFTER];
/** Names that one request scans, and names of one read of the log. */
const SCANNED_MAX = 5000;
const PAGE_COUNT = 1000;

/**
 * `GET /v1/channels?match=&limit=&after=` (PROTOCOL.md section 10.3): the channels of the log,
 * ordered by name.
 */
export function channelListRoute({ auth, feed, log }: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/channels',
    requires: 'entry',
    description: () => ({
      operationId: 'listChannels',
      summary: 'Lists the channels, sorted by name.',
      section: '10.3',
      details:
        'The key needs the scope `subscribe` for all channels that `match` covers, or `admin`. A page may have fewer channels than requested, or none, and still a next page.',
      parameters: PARAMETERS,
      responses: [response(200, 'A page.', json(channelListSchema(), '`next` is the `after` of the next page.'))],
      errors: ['invalid_parameter', 'invalid_pattern'],
    }),
    async handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const match = checkPattern(MATCH.read(values) ?? '>');
      const limit = LIMIT.read(values);
      authorizeList(auth, request.principal, match);
      const after = AFTER.read(values) ?? '';
      const texts = { prefix: PREFIX.read(values) ?? '', contains: CONTAINS.read(values) ?? '' };
      const { channels, next } = await listChannels(log, match, after, limit, texts);
      const { epoch } = feed;
      request.respondJson(200, { channels: channels.map((state) => channelJson(state, epoch)), next });
    },
  };
}

/**
 * Authorizes a list. It shows which channels exist, and so which users. So the caller must be a
 * server that may read all channels of the pattern, or have the scope `admin`.
 * @throws AccessError
 */
function authorizeList(auth: AuthParts, principal: Principal, match: string): void {
  if (auth.authority.hasScope(principal, 'admin').allowed) return;
  if (principal.kind === 'server') return checkScope(auth, principal, 'subscribe', [match]);
  const code = principal.kind === 'anonymous' ? 'unauthorized' : 'forbidden';
  const detail = `This requires a key with the scope subscribe for ${match}.`;
  throw new AccessError({ allowed: false, code, detail }, { principal, action: 'subscribe', channel: match });
}

/**
 * Lists the channels that match a pattern and have these texts in their names, after a name. It
 * scans only names with the prefix of the pattern or of the request, and at most `SCANNED_MAX` of
 * them. So a page may have fewer channels than requested, or none, and still have a next page.
 */
export async function listChannels(
  log: Pick<Log, 'channels'>,
  match: string,
  after: string,
  limit: number,
  { prefix: wanted, contains }: { readonly prefix: string; readonly contains: string } = NO_TEXTS,
): Promise<{ readonly channels: readonly ChannelState[]; readonly next: string | null }> {
  const ofPattern = match.slice(0, match.search(/[*>]|$/));
  const prefix = wanted.startsWith(ofPattern) ? wanted : ofPattern;
  const text = contains.toLowerCase();
  const channels: ChannelState[] = [];
  let lastName = laterOf(after, lastNameBefore(prefix));
  for (let scanned = 0; scanned < SCANNED_MAX;) {
    const count = Math.min(PAGE_COUNT, SCANNED_MAX - scanned);
    const page = await log.channels({ after: lastName, limit: count });
    for (const state of page) {
      if (!state.channel.startsWith(prefix)) return { channels, next: null };
      lastName = state.channel;
      if (!matches(match, state.channel) || !state.channel.startsWith(wanted)) continue;
      if (text !== '' && !state.channel.toLowerCase().includes(text)) continue;
      channels.push(state);
      if (channels.length === limit) return { channels, next: lastName };
    }
    if (page.length < count) return { channels, next: null };
    scanned += page.length;
  }
  return { channels, next: lastName };
}

const NO_TEXTS = { prefix: '', contains: '' };

function laterOf(one: string, other: string): string {
  return one > other ? one : other;
}

/**
 * The last text before all names with this prefix: `~` sorts after every character that a channel
 * may have.
 */
function lastNameBefore(prefix: string): string {
  return prefix === '' ? '' : prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) - 1) + '~';
}

const channelListSchema = named('ChannelList', () =>
  page(
    'channels',
    z.object({
      channel: channel(),
      events: count('The number of stored events.'),
      bytes: count('The size of their JSON.'),
      oldest: time('The time of the oldest stored event.').nullable(),
      latest: cursor().describe('The id of the newest stored event.').nullable(),
    }),
    z.string(),
  ),
);

function channelJson({ channel, count, bytes, oldestTimeMs, latestPosition }: ChannelState, epoch: string): object {
  return {
    channel,
    events: count,
    bytes,
    oldest: count === 0 ? null : timestampOrNull(oldestTimeMs),
    latest: latestPosition === 0 ? null : encodeCursor(epoch, latestPosition),
  };
}
