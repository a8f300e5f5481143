import * as z from 'zod';
import { field, integerField } from '../../settings/field.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** A header's or cookie's name (RFC 9110 section 5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Headers that the hub sets itself, that frame the request, or that have their own settings. */
const RESERVED =
  /^(?:accept|accept-encoding|connection|content-.*|cookie|expect|host|keep-alive|origin|polycast-.*|proxy-.*|te|trailer|transfer-encoding|upgrade|sec-websocket-.*)$/;

const url = (): z.ZodDefault<z.ZodNullable<z.ZodString>> =>
  z
    .string()
    .refine(isSiteUrl, 'must be an http or https URL without a user name, password or fragment')
    .nullable()
    .default(null);

const names = (): z.ZodDefault<z.ZodArray<z.ZodString>> => z.array(z.string().regex(NAME)).max(20).default([]);

const fields = {
  loginUrl: field(url(), {
    form: 'URL or null',
    doc: 'The URL at which the hub asks the site to identify a user by the cookies and headers named below. The hub sends a `POST`, and the site answers `{user, ttlSeconds, …}` or `{user: null}` (PROTOCOL.md section 13.3). A request without any of these is anonymous, and the hub does not ask the site.',
    why: 'The hub has no site by default.',
  }),
  consentUrl: field(url(), {
    form: 'URL or null',
    doc: 'The URL at which the hub asks the site to authorize an action on a channel, for rules with `site`: `POST`, answered with `{allowed, ttlSeconds}`. Without it, `site` in a rule allows no one.',
    why: 'Rules are sufficient for most sites.',
  }),
  cookies: field(names(), {
    form: 'list of at most 20 names of cookies',
    doc: 'The cookies that the hub passes to the site. The hub never reads cookies of pages whose origin is not allowed.',
    why: 'None, because a cookie gives access to an account. The hub passes it on only if you configure it.',
  }),
  headers: field(
    names().refine(
      (list) => list.every((name) => !RESERVED.test(name.toLowerCase())),
      'must not name cookie, origin, host, content-*, proxy-*, polycast-*, or a header that frames a request',
    ),
    {
      form: 'list of at most 20 names of headers',
      doc: 'The request headers that the hub passes to the site, for clients without cookies. For a page, the hub does not pass on an `Authorization` of a kind that browsers send by themselves (`Basic`).',
      why: 'None, for the same reason as for cookies.',
    },
  ),
  perAddress: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Whether an answer of the site is valid only for the address of the client. The site always receives the address. If this is false, the answer is valid for the same credentials from any address.',
    why: 'Phones change their address often, and each change would cost a request to the site.',
  }),
  secret: field(
    z
      .string()
      .regex(/^[\x21-\x7e]{16,500}$/)
      .nullable()
      .default(null),
    {
      form: 'text of 16 to 500 printable characters without spaces or null',
      doc: 'The value of the header `Polycast-Secret`, by which the site recognises requests of the hub.',
      why: 'The site chooses it. Set it wherever others can reach the URL.',
    },
  ),
  timeoutMs: integerField(
    { unit: 'milliseconds', min: 50, max: 60_000, default: 3000 },
    {
      doc: 'The timeout for an answer of the site, from the connection to the last byte. Beyond it the request has failed.',
      why: 'For its users, a login page that takes longer than three seconds is down.',
    },
  ),
  concurrentMax: integerField(
    { unit: 'requests', min: 1, max: 1000, default: 16 },
    {
      doc: 'The maximum number of concurrent requests to each of the two URLs. Further requests wait. The hub sends identical ones once.',
      why: 'A small PHP site has 5 to 50 workers, and its own visitors also need them.',
    },
  ),
  queueMax: integerField(
    { unit: 'questions', min: 0, max: 1_000_000, default: 10_000 },
    {
      doc: 'The maximum number of waiting requests to the site. Beyond it: `503 identity_unavailable`.',
      why: 'After a restart of the hub all clients reconnect at the same time. A waiting request holds its cookies, about 2 kB.',
    },
  ),
  queueBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 4 * GIB, default: 64 * MIB },
    {
      doc: 'The memory for waiting requests to each of the two URLs. Beyond it, the newest request of the client with the most of them, or the new request, gets `503 identity_unavailable`.',
      why: "Enough for 10,000 waiting requests of 2 kB, each with the client's request. Anyone can send cookies and headers of several kB.",
    },
  ),
  queueTimeoutMs: integerField(
    { unit: 'milliseconds', min: 50, max: 600_000, default: 10_000 },
    {
      doc: 'The longest time that a request to the site may wait for its turn. Beyond it: `503 identity_unavailable`.',
      why: 'Clients give up after about that time. They try again after `Retry-After`.',
    },
  ),
  cacheEntriesMax: integerField(
    { unit: 'answers', min: 1, max: 10_000_000, default: 50_000 },
    {
      doc: 'The maximum number of cached answers of each kind: known users, unknown credentials, allowed, refused. Beyond it the hub drops the oldest that was not used recently.',
      why: 'One for each connection of `limits.connectionsMax`, at about 1 kB.',
    },
  ),
  ttlSecondsMax: integerField(
    { unit: 'seconds', min: 1, max: 86_400, default: 3600 },
    {
      doc: 'An answer is valid for the `ttlSeconds` of the site, but at most for this long.',
      why: 'A typing mistake of the site must not keep a user logged in for a month.',
    },
  ),
  consentSecondsMin: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 5 },
    {
      doc: 'During a stream, the hub asks the site again for each channel when the `ttlSeconds` of the last answer have passed. This setting is the shortest time between two such requests.',
      why: 'A site that answers 0 wants to be asked for every request. Without this limit, ten thousand open streams would ask without end.',
    },
  ),
  refusalSeconds: integerField(
    { unit: 'seconds', min: 0, max: 3600, default: 3 },
    {
      doc: 'How long the hub caches that credentials are unknown or that an action is refused, or for `ttlSeconds` if that is shorter.',
      why: 'Long enough to keep a client that retries all the time away from the site, and short enough for a user who logs in.',
    },
  ),
  graceSeconds: integerField(
    { unit: 'seconds', min: 0, max: 86_400, default: 300 },
    {
      doc: 'While the site fails, cached answers that name a user or allow an action stay valid for this much longer. Other requests get `503 identity_unavailable`.',
      why: 'A deployment or a restart of the database is over in five minutes, and connected users do not notice.',
    },
  ),
  failuresMax: integerField(
    { unit: 'failures in a row', min: 1, max: 1000, default: 5 },
    {
      doc: 'After this many, and if a request that succeeded before fails too, the hub pauses requests to the site for `retryAfterSeconds`. Then one request tests the site.',
      why: 'One failure may be chance. A site that recovers should not receive all waiting requests at the same time.',
    },
  ),
  retryAfterSeconds: integerField(
    { unit: 'seconds', min: 1, max: 600, default: 5 },
    {
      doc: 'How long the hub pauses requests to a failing site. It is also the `Retry-After` during the pause.',
      why: 'Short for a person who waits, and long for a machine.',
    },
  ),
};

/** The settings of `identity.site`. */
export const site = z.strictObject(fields).prefault({});

function isSiteUrl(text: string): boolean {
  const parsed = URL.parse(text);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return false;
  return parsed.username === '' && parsed.password === '' && !text.includes('#');
}
