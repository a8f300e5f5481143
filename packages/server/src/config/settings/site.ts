import * as z from 'zod';
import { field, integerField } from './field.ts';

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
    form: 'URL, or null',
    doc: "Where the site is asked who somebody is, by the cookies and headers named below: `POST`, answered by `{user, ttlSeconds, …}` or `{user: null}` (PROTOCOL.md section 13.3). A request that brings none of these is anonymous, and the site isn't asked.",
    why: 'The hub knows of no site until it is told.',
  }),
  consentUrl: field(url(), {
    form: 'URL, or null',
    doc: 'Where the site is asked whether a user may do something with a channel, wherever a rule says `site`: `POST`, answered by `{allowed, ttlSeconds}`. Without it, `site` in a rule lets nobody in.',
    why: 'Rules are enough for most sites.',
  }),
  cookies: field(names(), {
    form: 'list of at most 20 names of cookies',
    doc: 'The cookies that the site is shown. Those of pages whose origin is not allowed are never looked at.',
    why: "None: a cookie is a key to somebody's account, and goes only where it is told to go.",
  }),
  headers: field(
    names().refine(
      (list) => list.every((name) => !RESERVED.test(name.toLowerCase())),
      'must not name cookie, origin, host, content-*, proxy-*, polycast-*, or what frames a request',
    ),
    {
      form: 'list of at most 20 names of headers',
      doc: 'The request headers that the site is shown, for clients that bring no cookie. `Authorization` of a kind that browsers send by themselves (`Basic`) is not shown for a page.',
      why: 'None, as for cookies.',
    },
  ),
  perAddress: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: "Whether an answer holds only for the client's address. The site is always told the address; without this, its answer holds for the same credentials from any other address as well.",
    why: 'Phones change their address on the way, and would be asked about again each time.',
  }),
  secret: field(
    z
      .string()
      .regex(/^[\x21-\x7e]{16,500}$/)
      .nullable()
      .default(null),
    {
      form: 'text of 16 to 500 printable characters without spaces, or null',
      doc: 'Sent along as the header `Polycast-Secret`, by which the site knows that it is the hub that asks.',
      why: 'Set it wherever the URL can be reached by others; nothing but the site can say what it is.',
    },
  ),
  timeoutMs: integerField(
    { unit: 'milliseconds', min: 50, max: 60_000, default: 3000 },
    {
      doc: 'How long the site may take for an answer, from the connection to its last byte. Then it has failed.',
      why: 'A login page that takes longer than three seconds is down as far as its users can tell.',
    },
  ),
  concurrentMax: integerField(
    { unit: 'requests', min: 1, max: 1000, default: 16 },
    {
      doc: 'At most this many requests are under way at each of the two URLs. The others wait; equal ones are one.',
      why: 'A small PHP site has 5 to 50 workers, and its own visitors need them too.',
    },
  ),
  queueMax: integerField(
    { unit: 'questions', min: 0, max: 1_000_000, default: 10_000 },
    {
      doc: 'How many questions may wait for their turn. Beyond it: `503 identity_unavailable`.',
      why: 'After a restart of the hub all who are there come at once; a question that waits holds its cookies, some 2 kB.',
    },
  ),
  queueBytesMax: integerField(
    { unit: 'bytes', min: 64 * 1024, max: 4 * GIB, default: 64 * MIB },
    {
      doc: 'How much the questions that wait may hold at each of the two URLs. Beyond it the client with the most of them loses its newest, or the new one gets `503 identity_unavailable`.',
      why: 'Room for 10,000 questions of 2 kB, each with the request that it came in; cookies and headers may have several kB each, and anybody can send such.',
    },
  ),
  queueTimeoutMs: integerField(
    { unit: 'milliseconds', min: 50, max: 600_000, default: 10_000 },
    {
      doc: 'A question that has not had its turn after this long is given up: `503 identity_unavailable`.',
      why: 'Clients give up by themselves at about that time; they come back with `Retry-After`.',
    },
  ),
  cacheEntriesMax: integerField(
    { unit: 'answers', min: 1, max: 10_000_000, default: 50_000 },
    {
      doc: 'How many answers of a kind (users; nobodies; yes; no) are remembered. Beyond it the oldest that was not used lately goes.',
      why: 'One for each of the connections that the hub takes by default; some 1 kB each.',
    },
  ),
  ttlSecondsMax: integerField(
    { unit: 'seconds', min: 1, max: 86_400, default: 3600 },
    {
      doc: 'An answer holds for the `ttlSeconds` that the site says, and no longer than this.',
      why: "A site's slip of the pen must not keep somebody logged in for a month.",
    },
  ),
  consentSecondsMin: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 5 },
    {
      doc: 'While a stream lasts, the site is asked again whether its user may go on with a channel, each time the `ttlSeconds` of its answer are over, but not sooner than this after the last time.',
      why: 'A site that says 0, so as to be asked each time, means each request; ten thousand open streams would otherwise ask without end.',
    },
  ),
  refusalSeconds: integerField(
    { unit: 'seconds', min: 0, max: 3600, default: 3 },
    {
      doc: 'That somebody is nobody, or may not, is remembered for this long, or for `ttlSeconds` if that is less.',
      why: 'Long enough that a client which tries again and again does not reach the site, short enough for whoever logs in now.',
    },
  ),
  graceSeconds: integerField(
    { unit: 'seconds', min: 0, max: 86_400, default: 300 },
    {
      doc: 'While the site fails, users it has named, and what it has allowed, hold this long beyond their time. Others get `503 identity_unavailable`.',
      why: 'A deployment or a restart of the database is over in five minutes, and nobody who was there needs to notice.',
    },
  ),
  failuresMax: integerField(
    { unit: 'failures in a row', min: 1, max: 1000, default: 5 },
    {
      doc: 'After this many the site is left alone for `retryAfterSeconds`, if a question fails too that it has answered before; then one question tries it again.',
      why: 'One may be chance; a site that is down should find no crowd at its door when it comes back.',
    },
  ),
  retryAfterSeconds: integerField(
    { unit: 'seconds', min: 1, max: 600, default: 5 },
    {
      doc: 'How long a site that fails is left alone, and what `Retry-After` says meanwhile.',
      why: 'Short for a person who waits, long for a machine.',
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
