import { expect, onTestFinished, test } from 'vitest';
import { openSite, type ReceivedRequest, type Behaviour, type TestSite } from '../identity/site/testing/site.ts';
import { openAuthenticatedHub, sessionCount, type AuthenticatedHub } from '../testing/authenticated-hub.ts';

/** A hub with a site whose answers change while sessions are open. */
interface Kit {
  readonly hub: AuthenticatedHub;
  readonly backend: TestSite;
  /** Channels that the site allows. */
  readonly allowed: Set<string>;
  /** The number of requests to the site about a channel. */
  asked(channel: string): number;
}

const RULES = [
  { pattern: 'orders.*', subscribe: ['site'] },
  { pattern: 'news', subscribe: ['users'] },
];

async function kit(ttlSeconds: number, site: object = {}, speed?: number): Promise<Kit> {
  const allowed = new Set(['orders.1', 'orders.2']);
  const consents: Behaviour = ({ body }: ReceivedRequest) => ({
    allowed: allowed.has(body['channel'] as string),
    ttlSeconds,
  });
  const backend = await openSite(consents);
  onTestFinished(() => backend.close());
  const hub = await openAuthenticatedHub(
    {
      rules: RULES,
      identity: {
        tokens: [{ leewaySeconds: 0, keys: [{ algorithm: 'HS256', secret: 'a secret of thirty-two bytes or more' }] }],
        site: {
          consentUrl: `${backend.url}/consent`,
          timeoutMs: 60_000,
          refusalSeconds: 0,
          failuresMax: 1,
          retryAfterSeconds: 1,
          ...site,
        },
      },
    },
    speed,
  );
  const asked = (channel: string): number => backend.requests.filter(({ body }) => body['channel'] === channel).length;
  return { hub, backend, allowed, asked };
}

test('an event stream ends when the site no longer allows one of its channels, long before its token does', async () => {
  const { hub, allowed } = await kit(10);
  const stream = await hub.follow('channel=orders.1&channel=news', hub.token('ann'));
  const other = await hub.follow('channel=orders.2', hub.token('ann'));
  await stream.waitForText('polycast.ready');
  allowed.delete('orders.1');
  await stream.waitForText('event: polycast.closing\ndata: {"code":"forbidden"}');
  await stream.waitForEnd();
  expect((await hub.follow('channel=orders.1', hub.token('ann'))).status).toBe(403);
  expect(other.hasEnded).toBe(false);
});

test('a WebSocket loses only that channel, receives a message, and stays subject to reauthorization for the others', async () => {
  const { hub, allowed, asked } = await kit(10);
  const socket = hub.socket(`channel=orders.1&channel=news&token=${hub.token('ann')}`);
  expect(await socket.request({ op: 'subscribe', channels: ['orders.2'] })).toMatchObject({ ok: true });
  allowed.delete('orders.1');
  expect(await socket.waitForMessage({ op: 'dropped' })).toMatchObject({ channels: ['orders.1'], code: 'forbidden' });
  await hub.publish('orders.1', 'not any more');
  await hub.publish('orders.2', 'still');
  await socket.waitForMessage({ data: 'still' });
  expect(socket.events.map(({ data }) => data)).toEqual(['still']);
  const before = asked('orders.2');
  await expect.poll(() => asked('orders.2')).toBeGreaterThan(before + 1);
  allowed.delete('orders.2');
  await expect.poll(() => socket.messages.filter(({ op }) => op === 'dropped').length).toBe(2);
  expect(socket.closed).toBeUndefined();
});

/**
 * A minute is the longest wait of a poll. At this speed it is too long to be confused with an early
 * response.
 */
const SPEED_OF_WAITING = 2;

test('a waiting poll is answered, and the next one is refused', async () => {
  const { hub, allowed } = await kit(1, {}, SPEED_OF_WAITING);
  const headers = { Authorization: `Bearer ${hub.token('ann')}` };
  const beganMs = performance.now();
  const waiting = fetch(`${hub.url}/v1/events?channel=orders.1&wait=60`, { headers });
  await expect.poll(() => sessionCount(hub, 'long-poll')).toBe(1);
  allowed.delete('orders.1');
  expect(await (await waiting).json()).toMatchObject({ events: [] });
  expect(performance.now() - beganMs).toBeLessThan(60_000 / SPEED_OF_WAITING);
  expect((await fetch(`${hub.url}/v1/events?channel=orders.1`, { headers })).status).toBe(403);
});

test('one request to the site serves many sessions of a user', async () => {
  const { hub, asked } = await kit(3600);
  await Promise.all(Array.from({ length: 5 }, () => hub.follow('channel=orders.1', hub.token('ann', 86_400))));
  expect(asked('orders.1')).toBe(1);
});

test('an answer with ttlSeconds 0 is requested again, but only at the configured rate', async () => {
  const { hub, asked } = await kit(0, { consentSecondsMin: 20 });
  const beganMs = performance.now();
  const stream = await hub.follow('channel=orders.1', hub.token('ann', 86_400));
  await expect.poll(() => asked('orders.1')).toBeGreaterThan(2);
  // Twenty seconds take 0.4 s at this speed.
  expect(asked('orders.1')).toBeLessThanOrEqual(2 + Math.ceil((performance.now() - beganMs) / 400));
  expect(stream.hasEnded).toBe(false);
});

test('while the site is down its answer is valid for the grace period, and then not, on every transport', async () => {
  const { hub, backend } = await kit(10, { graceSeconds: 200 });
  const stream = await hub.follow('channel=orders.1', hub.token('ann'));
  const socket = hub.socket(`channel=orders.1&token=${hub.token('ann')}`);
  await socket.waitForMessage({ op: 'ready' });
  await stream.waitForText('polycast.ready');
  const askedBefore = backend.requests.length;
  backend.behave = (_asked, response) => void response.writeHead(500).end();
  await expect.poll(() => backend.requests.length).toBeGreaterThan(askedBefore);
  await hub.publish('orders.1', 'in the grace');
  await stream.waitForText('in the grace');
  await stream.waitForText('event: polycast.closing\ndata: {"code":"identity_unavailable"}');
  expect(await socket.waitForClose()).toEqual({ code: 1013, reason: 'identity_unavailable' });
  await stream.waitForEnd();
});

test('a user without channels for the site causes no request', async () => {
  const { hub, backend } = await kit(1);
  const stream = await hub.follow('channel=news', hub.token('ann'));
  await hub.publish('news', 'read');
  await stream.waitForText('read');
  expect(backend.requests).toHaveLength(0);
});
