import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '../kit/certificates.ts';
import { Http2Client, type Http2Response } from '../kit/wire/http2-client.ts';
import { until } from '../kit/wait.ts';
import { CALLERS, type Caller } from './callers.ts';
import { CHANNELS } from './channels.ts';
import { startWorld, type TestWorld } from './kit/world.ts';
import { REQUESTS } from './rows.ts';
import { expected, expectedOf, expectedOfRow, type Outcomes } from './expected-outcomes.ts';
import { headersOf, type Outcome } from './access-methods.ts';

/**
 * The matrix over HTTP/2 (PROTOCOL.md section 13.8), with all callers on one connection, as behind
 * a proxy. Each stream is decided by its own credentials.
 */
let world: TestWorld;
let client: Http2Client;

beforeAll(async () => {
  world = await startWorld({ tls: selfSigned() });
  client = new Http2Client(world.hub.url);
});
afterAll(() => client?.close());

describe.each(CHANNELS)('$channel', ({ channel, subscribe, history, publish, unavailable }) => {
  const target = `/v1/events?channel=${channel}`;

  test.each(['', '&wait=20'])('polls%s', async (wait) => {
    const { secret } = world.second(channel);
    const outcomes = await atOnce((headers) =>
      ask(`${target}&after=${world.first(channel).id}${wait}`, headers, secret),
    );
    expect(outcomes).toEqual(expected(subscribe, '', unavailable));
  });

  test.each(['&after=earliest', '&history=2'])('event streams with %s', async (from) => {
    const { secret } = world.first(channel);
    const outcomes = await atOnce((headers) => listen(target + from, headers, secret));
    expect(outcomes).toEqual(expected(history, '', unavailable));
  });

  test('its newest event, and its pages of history', async () => {
    const path = `/v1/channels/${channel}`;
    const newest = await atOnce((headers) => ask(path, headers, world.second(channel).secret));
    expect(newest).toEqual(expected(subscribe, '', unavailable));
    const pages = await atOnce((headers) => ask(`${path}/history`, headers, world.first(channel).secret));
    expect(pages).toEqual(expected(history, '', unavailable));
  });

  test('publishing', async () => {
    const outcomes = await atOnce((headers, { name }) =>
      ask('/v1/events', headers, '"id"', JSON.stringify({ channel, data: `over HTTP/2 by ${name}` })),
    );
    expect(outcomes).toEqual(expected(publish, '', unavailable));
    const headers = { authorization: `Bearer ${world.issuer.key('admin')}` };
    const { text } = await client.ask(`/v1/channels/${channel}/history?limit=1000`, headers);
    const got = CALLERS.filter(({ name }) => text.includes(`"over HTTP/2 by ${name}"`)).map(({ name }) => name);
    expect(got).toEqual(CALLERS.filter((caller) => expectedOf(caller, publish) === 'allowed').map(({ name }) => name));
  });
});

test.each(REQUESTS)('$route', async ({ route, request, ...row }) => {
  const [method = ''] = route.split(' ');
  const outcomes = await atOnce(async (headers, caller) => {
    const { path, body, headers: own = {} } = await request(world, caller);
    const more = Object.fromEntries(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]));
    if (body instanceof URLSearchParams)
      return ask(path, { ...headers, 'content-type': FORM, ':method': method }, '', String(body));
    const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return ask(path, { ...headers, ...more, ':method': method }, '', content);
  });
  expect(outcomes).toEqual(expectedOfRow(row));
});

const FORM = 'application/x-www-form-urlencoded';

type Attempt = (headers: Readonly<Record<string, string>>, caller: Caller) => Promise<Outcome>;

async function atOnce(attempt: Attempt): Promise<Outcomes> {
  const cells = CALLERS.map(async (caller) => {
    const brought = Object.entries(headersOf(caller.credentials(world.issuer)));
    const headers = Object.fromEntries(brought.map(([name, value]) => [name.toLowerCase(), value]));
    return [caller.name, await attempt({ ...headers, 'content-type': 'application/json' }, caller)] as const;
  });
  return Object.fromEntries(await Promise.all(cells)) as Outcomes;
}

async function ask(
  path: string,
  headers: Readonly<Record<string, string>>,
  secret: string,
  body?: string,
): Promise<Outcome> {
  const { status, text } = await client.ask(path, headers, body);
  if (status >= 200 && status < 300) return text.includes(secret) ? 'allowed' : `nothing in ${text}`;
  return codeIn(text);
}

async function listen(path: string, headers: Readonly<Record<string, string>>, secret: string): Promise<Outcome> {
  const stream: Http2Response = client.listen(path, headers);
  await until('the stream says something', () => stream.closed || stream.text.includes(secret));
  stream.stream.close();
  return stream.text.includes(secret) ? 'allowed' : codeIn(stream.text);
}

function codeIn(text: string): Outcome {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? `no code in ${JSON.stringify(text)}`;
}
