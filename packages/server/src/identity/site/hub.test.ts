import { createSseParser, type SseFrame } from '@polycast/protocol';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { TICK_MS } from '../../core/primitives/timing-wheel.ts';
import { parseConfig } from '../../config/parse.ts';
import { openHub, type Hub } from '../../hub.ts';
import { systemWorld, type World } from '../../operate/world.ts';
import { answersBySession, openSite, type Behaviour, type TestSite } from './testing/site.ts';

const opened: { close(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

interface Kit {
  readonly backend: TestSite;
  readonly hub: Hub;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

async function kit(
  behave: Behaviour,
  settings: object = {},
  world: World = systemWorld,
  closeLater: (each: { close(): Promise<void> | void }) => void = (each) => opened.push(each),
): Promise<Kit> {
  const backend = await openSite(behave);
  closeLater(backend);
  const hub = await openHub(
    parseConfig({
      listen: '127.0.0.1:0',
      data: ':memory:',
      logging: { level: 'silent' },
      rules: [
        { pattern: 'news', subscribe: 'anyone' },
        { pattern: 'orders.*', subscribe: 'site', publish: 'site' },
        { pattern: 'staff', subscribe: { claim: 'staff', value: true } },
      ],
      identity: {
        site: {
          loginUrl: `${backend.url}/login`,
          consentUrl: `${backend.url}/consent`,
          cookies: ['session'],
          timeoutMs: 60_000,
          failuresMax: 1,
          retryAfterSeconds: 1,
          refusalSeconds: 0,
          ...settings,
        },
      },
    }),
    { world },
  );
  closeLater(hub);
  return { backend, hub, get: (path, headers = {}) => fetch(hub.url + path, { headers }) };
}

const down: Behaviour = (_asked, response) => void response.writeHead(500).end();
const ADA = { cookie: 'session=user-ada' };

/** The frames of an event stream as they arrive. Ends with the stream. */
async function* framesOf(response: Response): AsyncGenerator<SseFrame> {
  const parser = createSseParser();
  for await (const bytes of response.body ?? []) yield* parser.feed(bytes as Uint8Array);
}

/** Reads up to the first message of this event. The stream stays open. */
async function messageOf(stream: AsyncGenerator<SseFrame>, event: string): Promise<string> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) throw new Error(`the stream ended without ${event}`);
    if (value.kind === 'message' && value.event === event) return value.data;
  }
}

test('a cookie is sufficient on every transport, and identifies the private channel', async () => {
  const { hub, get } = await kit(answersBySession(60));
  expect((await get('/v1/events?channel=@me', ADA)).status).toBe(200);
  const stream = await get('/v1/events?channel=@me', { ...ADA, accept: 'text/event-stream' });
  await messageOf(framesOf(stream), 'polycast.ready');
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events?channel=@me`, { headers: ADA });
  opened.push({ close: () => socket.terminate() });
  const ready = await new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)))));
  expect(ready).toMatchObject({ op: 'ready' });
});

test('a caller unknown to the site reads open channels, and receives 401 for others', async () => {
  const { get } = await kit(answersBySession(60));
  const guest = { cookie: 'session=guest' };
  expect((await get('/v1/events?channel=news', guest)).status).toBe(200);
  const refused = await get('/v1/events?channel=@me', guest);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([401, 'unauthorized']);
});

test('rules can require claims that the site returns for its users', async () => {
  const { get } = await kit(({ body }) => {
    const { session } = body['cookies'] as { session: string };
    return { user: session, claims: { staff: session === 'boss' }, ttlSeconds: 60 };
  });
  expect((await get('/v1/events?channel=staff', { cookie: 'session=boss' })).status).toBe(200);
  expect((await get('/v1/events?channel=staff', { cookie: 'session=ada' })).status).toBe(403);
});

test('a cookie from a page whose origin is not allowed is never forwarded to the site', async () => {
  const { backend, get } = await kit(answersBySession(60));
  const { status } = await get('/v1/events?channel=@me', { ...ADA, origin: 'https://evil.example' });
  expect([401, 403]).toContain(status);
  expect(backend.requests).toHaveLength(0);
});

test('during an outage of the site, unknown users receive 503 and Retry-After on every transport', async () => {
  const { hub, backend, get } = await kit(answersBySession(60));
  await get('/v1/events?channel=@me', ADA);
  backend.behave = down;
  const eve = { cookie: 'session=user-eve' };
  for (const accept of ['application/json', 'text/event-stream']) {
    const refused = await get('/v1/events?channel=@me', { ...eve, accept });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'identity_unavailable', retryable: true });
  }
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/events`, { headers: eve });
  const status = await new Promise((resolve) => {
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode));
    socket.once('error', () => undefined);
  });
  expect(status).toBe(503);
  expect((await get('/v1/events?channel=@me', ADA)).status).toBe(200);
  // A request without credentials needs no site.
  expect((await get('/v1/events?channel=news')).status).toBe(200);
});

test('with `site` in a rule, the site decides on a channel: for readers and publishers', async () => {
  const { hub, backend, get } = await kit((asked, response) => {
    if (asked.path === '/login') return answersBySession(60)(asked, response);
    const { user, action, channel } = asked.body;
    return { allowed: channel === `orders.${user}` && action === 'subscribe', ttlSeconds: 60 };
  });
  expect((await get('/v1/events?channel=orders.ada', ADA)).status).toBe(200);
  expect((await get('/v1/events?channel=orders.eve', ADA)).status).toBe(403);
  expect((await get('/v1/events?channel=orders.*', ADA)).status).toBe(403);
  expect((await get('/v1/events?channel=orders.ada')).status).toBe(401);
  const published = await fetch(`${hub.url}/v1/channels/orders.ada/events`, {
    method: 'POST',
    headers: { ...ADA, 'content-type': 'application/json' },
    body: '1',
  });
  expect(published.status).toBe(403);
  expect(backend.requests.filter(({ path }) => path === '/consent').map(({ body }) => body['action'])).toEqual([
    'subscribe',
    'subscribe',
    'subscribe',
    'publish',
  ]);
  backend.behave = down;
  expect((await get('/v1/events?channel=orders.ada', ADA)).status).toBe(200);
  expect((await get('/v1/events?channel=orders.bob', ADA)).status).toBe(503);
});

/** Twice as fast as real time. */
const SPEED_OF_RENEWALS = 2;

/**
 * A renewal begins three seconds before the expiry. This clock advances together with the
 * hub's timing wheel, tick by tick. So a busy machine slows both, and finishes each renewal.
 */
function slowableWorld(onTestFinished: (close: () => void) => void): World {
  const startMs = Date.now();
  let elapsedMs = 0;
  const timer = setInterval(() => (elapsedMs += TICK_MS), TICK_MS / SPEED_OF_RENEWALS);
  onTestFinished(() => clearInterval(timer));
  const clock = { nowMs: () => startMs + elapsedMs, monotonicMs: () => elapsedMs };
  return { ...systemWorld, clock, speed: SPEED_OF_RENEWALS };
}

// They wait for expiries, so they wait together.
describe.concurrent('while a stream is open', () => {
  test('it outlives its cached answers: the site is asked again, and the client receives no message about it', async ({
    expect,
    onTestFinished,
  }) => {
    const { backend, get } = await kit(answersBySession(12), {}, slowableWorld(onTestFinished), (each) =>
      onTestFinished(() => each.close()),
    );
    const stream = framesOf(await get('/v1/events?channel=@me', { ...ADA, accept: 'text/event-stream' }));
    await messageOf(stream, 'polycast.ready');
    await expect.poll(() => backend.requests.length).toBeGreaterThanOrEqual(3);
    backend.behave = () => ({ user: null });
    const rest: SseFrame[] = [];
    for await (const frame of stream) if (frame.kind === 'message') rest.push(frame);
    expect(rest).toEqual([
      expect.objectContaining({ event: 'polycast.closing', data: expect.stringContaining('unauthorized') }),
    ]);
  });

  test("the site's answer on renewal takes effect, also where it grants less than before", async ({
    expect,
    onTestFinished,
  }) => {
    const staff: Behaviour = () => ({ user: 'ada', claims: { staff: true }, ttlSeconds: 12 });
    const { backend, get } = await kit(staff, {}, slowableWorld(onTestFinished), (each) =>
      onTestFinished(() => each.close()),
    );
    const stream = framesOf(await get('/v1/events?channel=staff', { ...ADA, accept: 'text/event-stream' }));
    await messageOf(stream, 'polycast.ready');
    backend.behave = () => ({ user: 'ada', ttlSeconds: 1 });
    expect(await messageOf(stream, 'polycast.closing')).toContain('forbidden');
    expect(backend.requests).toHaveLength(2);
  });

  test('it survives an outage of the site, and ends with the grace period', async ({ expect, onTestFinished }) => {
    const settings = { graceSeconds: 20, retryAfterSeconds: 10 };
    const world = slowableWorld(onTestFinished);
    const { backend, get } = await kit(answersBySession(10), settings, world, (each) =>
      onTestFinished(() => each.close()),
    );
    // Measured before the first question: the site's answer is valid for at least this long from
    // here.
    const beganMs = world.clock.monotonicMs();
    const stream = framesOf(await get('/v1/events?channel=@me', { ...ADA, accept: 'text/event-stream' }));
    await messageOf(stream, 'polycast.ready');
    backend.behave = down;
    const rest: SseFrame[] = [];
    for await (const frame of stream) rest.push(frame);
    expect(world.clock.monotonicMs() - beganMs).toBeGreaterThan(24_000);
    expect(rest.at(-1)).toMatchObject({ event: 'polycast.closing' });
  });
});

/** Sends a request as the site does, with its own key. */
function callHub({ hub }: Kit, path: string): Promise<Response> {
  return fetch(hub.url + path, { method: 'POST', headers: { authorization: `Bearer ${hub.firstKey}` } });
}

test('when the site disconnects a user, the streams end and cached answers are dropped', async () => {
  const world = await kit(answersBySession(60));
  const { backend, get } = world;
  const stream = framesOf(await get('/v1/events?channel=@me', { ...ADA, accept: 'text/event-stream' }));
  await messageOf(stream, 'polycast.ready');
  backend.behave = down;
  expect((await callHub(world, '/v1/users/ada/disconnect')).status).toBe(200);
  expect(await messageOf(stream, 'polycast.closing')).toContain('unauthorized');
  // The grace does not apply either.
  expect((await get('/v1/events?channel=@me', ADA)).status).toBe(503);
});

test('a user who logs in again after that is accepted, also with the same cookie', async () => {
  const world = await kit(answersBySession(60));
  const { backend, get } = world;
  expect((await get('/v1/events?channel=@me', ADA)).status).toBe(200);
  await callHub(world, '/v1/users/ada/disconnect');
  await expect.poll(async () => (await get('/v1/events?channel=@me', ADA)).status).toBe(200);
  // Three, if the second request came in the millisecond of the disconnect.
  expect([2, 3]).toContain(backend.requests.length);
});

test('an answer from the moment of the disconnect, or of a clock that is behind, is not kept for long', async () => {
  let nowMs = Date.now();
  const world = await kit(
    answersBySession(3600),
    {},
    { ...systemWorld, clock: { ...systemWorld.clock, nowMs: () => nowMs } },
  );
  const { get } = world;
  const status = async (): Promise<number> => (await get('/v1/events?channel=@me', ADA)).status;
  expect(await status()).toBe(200);
  await callHub(world, '/v1/users/ada/disconnect');
  // By the clock of the hub that revoked, the answer is older than the revocation.
  expect(await status()).toBe(401);
  nowMs += 1;
  expect(await status()).toBe(200);
});

test('when the site has a user reauthenticated, a stream continues with its current permissions', async () => {
  const world = await kit(() => ({ user: 'ada', claims: { staff: true }, ttlSeconds: 60 }));
  const { backend, get } = world;
  const headers = { ...ADA, accept: 'text/event-stream' };
  const own = framesOf(await get('/v1/events?channel=@me', headers));
  const staff = framesOf(await get('/v1/events?channel=staff', headers));
  await Promise.all([messageOf(own, 'polycast.ready'), messageOf(staff, 'polycast.ready')]);
  backend.behave = () => ({ user: 'ada', ttlSeconds: 60 });
  expect((await callHub(world, '/v1/users/ada/reauthenticate')).status).toBe(200);
  expect(await messageOf(staff, 'polycast.closing')).toContain('forbidden');
  const ended = messageOf(own, 'polycast.closing');
  // The site was asked once for both streams. The other stream stays open until the disconnect.
  expect(backend.requests).toHaveLength(2);
  await callHub(world, '/v1/users/ada/disconnect');
  expect(await ended).toContain('unauthorized');
});
