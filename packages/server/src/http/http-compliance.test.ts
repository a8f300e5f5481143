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
