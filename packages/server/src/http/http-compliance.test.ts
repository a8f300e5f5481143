import { request, type IncomingHttpHeaders } from 'node:http';
import { expect, test } from 'vitest';
import { openAuthenticatedHub, type AuthenticatedHub } from '../testing/authenticated-hub.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** Sends the path as it is: `fetch` would normalize it. */
function ask(
  hub: AuthenticatedHub,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ port: hub.port, method, path, headers }, (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
      response.destroy();
    })
      .on('error', reject)
      .end();
  });
}

test('each 401 has WWW-Authenticate, whatever refuses', async () => {
  const hub = await openAuthenticatedHub();
  const old = hub.token('ann', -10);
  for (const [method, path, headers] of [
    ['GET', '/v1/events?channel=chat.a', {}],
    ['GET', '/v1/events?channel=chat.a', { authorization: 'Bearer nonsense' }],
    ['GET', '/v1/events?channel=chat.a', { authorization: `Bearer ${old}` }],
    ['GET', '/v1/channels/chat.a', {}],
    ['POST', '/v1/events', { 'content-type': 'application/json' }],
    ['GET', '/v1/keys', {}],
    ['GET', '/v1/subscriptions', {}],
    [
      'GET',
      '/v1/events?channel=chat.a',
      {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      },
    ],
  ] as const) {
    const { status, headers: answered } = await ask(hub, method, path, headers);
    if (method === 'POST' && status === 400) continue;
    expect([method, path, status]).toEqual([method, path, 401]);
    expect(answered['www-authenticate']).toMatch(/^Bearer realm="polycast"/);
    expect(answered['cache-control']).toBe('no-store');
  }
});

test('Allow has the methods of the route table, like the OpenAPI document', async () => {
  const hub = await openAuthenticatedHub();
  const { paths } = (await (await fetch(`${hub.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  for (const [path, operations] of Object.entries(paths)) {
    const documented = Object.keys(operations).map((method) => method.toUpperCase());
    const expected = [...documented, ...(documented.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].toSorted();
    const plain = path.replaceAll(/\{\w+\}/g, 'x');
    const { status, headers } = await ask(hub, 'LINK', plain);
    expect([path, status]).toEqual([path, 405]);
    expect([path, String(headers.allow).split(', ').toSorted()]).toEqual([path, expected]);
    expect((await ask(hub, 'OPTIONS', plain)).headers.allow).toBe(headers.allow);
  }
});

test.each([
  ['/%6detrics', '/metrics'],
  ['/%76%31/channels/news%2ea', '/v1/channels/news.a'],
  ['/v1/chann%65ls/news.a', '/v1/channels/news.a'],
  ['/v1/users/%65vents', '/v1/users/events'],
  ['/v1%2Fchannels%2Fnews.a', '/nowhere'],
])('%s is equivalent to %s', async (encoded, plain) => {
  const hub = await openAuthenticatedHub();
  await hub.publish('news.a', 1);
  for (const method of ['GET', 'PUT', 'OPTIONS']) {
    const [one, other] = [await ask(hub, method, encoded), await ask(hub, method, plain)];
    expect([method, one.status, one.headers.allow]).toEqual([method, other.status, other.headers.allow]);
  }
});

test.each([
  ['GET', '/v1/event?channel=a', 'No route has this path; did you mean /v1/events?'],
  ['GET', '/events', 'No route has this path; did you mean /v1/events?'],
  ['GET', '/v1/channels/a/history/', 'No route has this path; did you mean /v1/channels/{channel}/history?'],
  ['POST', '/v1/channel/a/events', 'No route has this path; did you mean /v1/channels/{channel}/events?'],
  ['POST', '/channels/a/events', 'No route has this path; did you mean /v1/channels/{channel}/events?'],
  ['GET', '/v1/channels/a/histroy', 'No route has this path; did you mean /v1/channels/{channel}/history?'],
  ['GET', '/v1/nothing-of-the-kind', 'No route has this path. /openapi.json lists all routes.'],
  ['GET', `/v1/event${'/'.repeat(200)}`, 'No route has this path. /openapi.json lists all routes.'],
  [
    'GET',
    '/v1/channels/orders.42/events',
    'Allowed: POST, OPTIONS. To read: GET /v1/events?channel=orders.42&after=earliest, or GET /v1/channels/orders.42/history.',
  ],
  [
    'GET',
    '/v1/channels/a%20%22b/events',
    'Allowed: POST, OPTIONS. To read: GET /v1/events?channel=a%20%22b&after=earliest, or GET /v1/channels/a%20%22b/history.',
  ],
  [
    'POST',
    '/v1/channels/orders.42',
    'Allowed: GET, HEAD, DELETE, OPTIONS. To publish: POST /v1/channels/orders.42/events.',
  ],
  ['GET', '/v1/events/', 'Allowed: DELETE, OPTIONS. To read: GET /v1/events?channel=CHANNEL&after=earliest.'],
  [
    'GET',
    '/v1/users/42/events',
    'Allowed: POST, OPTIONS. To read, with a token of the user: GET /v1/events?channel=@me&after=earliest.',
  ],
  ['PUT', '/v1/events', 'Allowed: GET, HEAD, POST, OPTIONS.'],
])('%s %s is refused with advice', async (method, path, detail) => {
  const hub = await openAuthenticatedHub();
  const answer = await fetch(hub.url + path, { method });
  expect(await answer.json()).toMatchObject({ detail });
});

test.each([
  ['/v1/events?channel=news.a&after=2027-01-31T12:00:00Z', 'after'],
  ['/v1/events?channel=news.a&lastEventId=10m', 'lastEventId'],
  ['/v1/events?channel=news.a&since=10m', 'since'],
  ['/v1/channels/news.a/history?after=1801396800', 'after'],
  ['/v1/channels/news.a/history?before=2027-01-31', 'before'],
  ['/v1/channels/news.a/history?since=10m', 'since'],
])('%s is refused, and the error says how to find events by time', async (path, parameter) => {
  const hub = await openAuthenticatedHub();
  const problem = await (await fetch(hub.url + path)).json();
  expect(problem).toMatchObject({
    status: 400,
    parameter,
    detail: expect.stringMatching(/A time cannot be given here\. .*\/history .*"since"\.$/),
  });
});

test('a resource with two representations has Vary in both of them', async () => {
  const hub = await openAuthenticatedHub();
  for (const [accept, type] of [
    ['text/event-stream', 'text/event-stream'],
    ['application/json;q=0.1, text/event-stream;q=0.9', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['text/event-stream;q=0, application/json', 'application/json'],
    ['*/*', 'application/json'],
  ] as const) {
    const { status, headers } = await ask(hub, 'GET', '/v1/events?channel=news.a', { accept });
    expect([accept, status, headers['content-type']?.split(';')[0]]).toEqual([accept, 200, type]);
    expect(headers.vary).toContain('Accept, Prefer');
  }
});
