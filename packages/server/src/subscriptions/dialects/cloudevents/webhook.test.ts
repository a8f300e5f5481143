import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openAuthenticatedHub } from '../../../testing/authenticated-hub.ts';

interface Got {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly atMs: number;
}

const WAIT = { interval: 5 };

/** An endpoint of *HTTP 1.1 Web Hooks for Event Delivery*, and a hub that has to verify it. */
async function world(
  consent: (request: Got) => Readonly<Record<string, string>>,
  options: object = {},
  delivery: object = {},
) {
  const got: Got[] = [];
  const state = { status: 200 };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { method = '', headers } = request;
    const one = { method, headers, body: Buffer.concat(pieces).toString(), atMs: performance.now() };
    got.push(one);
    response.writeHead(state.status, method === 'OPTIONS' ? consent(one) : {}).end();
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const hub = await openAuthenticatedHub({ outgoing: { allow: [`127.0.0.1:${port}`] } }, 1);
  const url = `http://127.0.0.1:${port}/events`;
  const made = await hub.administer('POST', '/v1/subscriptions', {
    channels: ['orders.>'],
    delivery: { kind: 'webhook', url, dialect: 'cloudevents', ...delivery },
    ...options,
  });
  const subscription = (await made.json()) as { readonly id: string; readonly state: string };
  expect(made.status).toBe(201);
  const read = async (): Promise<{ state: string; ratePerSecond: number | null }> =>
    (await (await hub.administer('GET', `/v1/subscriptions/${subscription.id}`)).json()) as never;
  const posts = (): readonly Got[] => got.filter(({ method }) => method === 'POST');
  return {
    got,
    posts,
    hub,
    read,
    isActive: () => vi.waitFor(async () => expect((await read()).state).toBe('active'), WAIT),
    publish: (data: unknown) => hub.publish('orders.1', data),
    posted: (count: number) => vi.waitFor(() => expect(posts().length).toBeGreaterThanOrEqual(count), WAIT),
  };
}

const allowEveryone = { 'WebHook-Allowed-Origin': '*' };

describe('a webhook of the CloudEvents specification', () => {
  it('is verified with OPTIONS in the name of the hub, and then receives the events published since its creation', async () => {
    const { got, posts, isActive, publish, posted } = await world(({ headers }) => ({
      'WebHook-Allowed-Origin': headers['webhook-request-origin'] as string,
      'WebHook-Allowed-Rate': '*',
    }));
    await isActive();
    expect(got[0]?.method).toBe('OPTIONS');
    expect(got[0]?.headers['webhook-request-origin']).toMatch(/^[a-z0-9.:-]+$/i);
    await publish({ total: 1 });
    await posted(1);
    expect(posts()[0]?.headers['content-type']).toMatch(/^application\/cloudevents\+json/);
    expect(JSON.parse(posts()[0]?.body ?? '')).toMatchObject({ specversion: '1.0', data: { total: 1 } });
  });

  it('receives binary mode if it is configured', async () => {
    const { posts, isActive, publish, posted } = await world(() => allowEveryone, {}, { format: 'cloudevents-binary' });
    await isActive();
    await publish({ total: 1 });
    await posted(1);
    expect(posts()[0]?.headers).toMatchObject({ 'ce-specversion': '1.0', 'content-type': 'application/json' });
    expect(posts()[0]?.body).toBe('{"total":1}');
  });

  it.each([
    ['nothing', {}],
    ['another origin', { 'WebHook-Allowed-Origin': 'elsewhere.example' }],
    ['a rate alone', { 'WebHook-Allowed-Rate': '100' }],
    ['no number as its rate', { ...allowEveryone, 'WebHook-Allowed-Rate': 'many' }],
  ])('receives nothing if the answer names %s, whatever its status', async (_what, headers) => {
    const { got, posts, read, publish } = await world(() => headers);
    await vi.waitFor(() => expect(got.length).toBe(1), WAIT);
    await publish(1);
    expect((await read()).state).toBe('pending');
    expect(posts()).toEqual([]);
  });

  it('is asked for a rate, and receives events at the lower one of the requested and the allowed rate', async () => {
    const allowed = { ...allowEveryone, 'WebHook-Allowed-Rate': '120' };
    const { got, posts, isActive, publish, posted } = await world(() => allowed, { ratePerSecond: 100 });
    await isActive();
    expect(got[0]?.headers['webhook-request-rate']).toBe('6000');
    for (let n = 0; n < 6; n++) await publish(n);
    await posted(6);
    const [first, ...rest] = posts().map(({ atMs }) => atMs) as [number, ...number[]];
    // The rate is two events a second, with a burst of two.
    expect((rest.at(-1) ?? 0) - first).toBeGreaterThan(1400);
  });
});
