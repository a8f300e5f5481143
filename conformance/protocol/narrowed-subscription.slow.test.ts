import { describe, expect, onTestFinished, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { call } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

type Ask = (method: string, path: string, body?: object) => Promise<{ readonly status: number; readonly body: Answer }>;
type Answer = Readonly<Record<string, unknown>>;

interface World {
  readonly admin: Ask;
  /** The key that may read `orders.>`, and not `secret.1`. */
  readonly reader: Ask;
  /** An endpoint that fails everything, and one that accepts everything. */
  readonly failing: Endpoint;
  readonly taking: Endpoint;
}

async function openWorld(): Promise<World> {
  const [failing, taking] = [await Endpoint.open(() => 500), await Endpoint.open(() => 204)];
  const urls = [failing.url, taking.url];
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      outgoing: { allow: urls.map((url) => new URL(url).host) },
      subscriptions: { trustedEndpoints: urls },
      logging: { level: 'warn' },
    },
  });
  onTestFinished(async () => {
    await hub.end('SIGTERM');
    failing.close();
    taking.close();
  });
  const as =
    (key: string): Ask =>
    async (method, path, body) => {
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
      const reply = await call(hub.url + path, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: reply.status, body: reply.text === '' ? {} : reply.json<Answer>() };
    };
  const admin = as(await firstKey(hub));
  const scopes = { subscriptions: ['orders.>'], subscribe: ['orders.>'] };
  const { body } = await admin('POST', '/v1/keys', { name: 'reader', scopes });
  return { admin, reader: as(body['key'] as string), failing, taking };
}

/** A subscription to the secret channel, whose endpoint has failed every delivery so far. */
async function subscribed({ admin, failing }: World, retryDelaysSeconds: readonly number[]): Promise<string> {
  const delivery = { kind: 'webhook', url: failing.url, retryDelaysSeconds };
  const { body } = await admin('POST', '/v1/subscriptions', { channels: ['secret.1'], delivery });
  await admin('POST', '/v1/events', { channel: 'secret.1', data: 'TOP SECRET' });
  return `/v1/subscriptions/${body['id'] as string}`;
}

async function lettersOf(ask: Ask, path: string): Promise<readonly Answer[]> {
  return (await ask('GET', `${path}/dead-letters`)).body['deadLetters'] as readonly Answer[];
}

async function narrow({ admin, reader }: World, path: string): Promise<void> {
  expect((await admin('PATCH', path, { channels: ['orders.1'] })).status).toBe(200);
  expect((await reader('GET', '/v1/events?channel=secret.1&after=earliest')).status).toBe(403);
}

/** When an order has arrived, all earlier deliveries have arrived. */
async function ordered({ admin }: World, taking: Endpoint): Promise<readonly string[]> {
  await admin('POST', '/v1/events', { channel: 'orders.1', data: 'an order' });
  await until('the order comes', () => taking.received.some(({ payload }) => payload === 'an order'));
  return taking.received.map(({ payload }) => payload);
}

describe('a subscription that lost a channel, used with a key that may not read that channel (PROTOCOL.md section 14.4)', () => {
  test('its dead letters of that channel are neither listed nor retried', async () => {
    const world = await openWorld();
    const { admin, reader, taking } = world;
    const path = await subscribed(world, []);
    await until('the event is a dead letter', async () => (await lettersOf(admin, path)).length === 1);
    await narrow(world, path);
    const [letter] = await lettersOf(admin, path);
    expect(letter).toMatchObject({ channel: 'secret.1', outcome: 'refused_status' });
    expect(await lettersOf(reader, path)).toEqual([]);
    expect((await reader('GET', `${path}/dead-letters/${String(letter?.['event'])}`)).status).toBe(404);
    expect((await reader('PATCH', path, { delivery: { url: taking.url } })).status).toBe(200);
    expect(await reader('POST', `${path}/dead-letters/retry`)).toMatchObject({ status: 202, body: { retried: 0 } });
    for (const ask of [reader, admin]) {
      const alone = await ask('POST', `${path}/dead-letters/${String(letter?.['event'])}/retry`);
      expect([alone.status, alone.body['code']]).toEqual([404, 'not_found']);
    }
    expect(await ordered(world, taking)).toEqual(['an order']);
    // A caller that may subscribe to the channel may add it again.
    expect((await reader('PATCH', path, { channels: ['orders.1', 'secret.1'] })).status).toBe(403);
    await admin('PATCH', path, { channels: ['orders.1', 'secret.1'] });
    expect((await admin('POST', `${path}/dead-letters/retry`)).body).toEqual({ retried: 1 });
    await until('the letter comes', () => taking.received.length === 2);
    expect(taking.received[1]?.payload).toBe('TOP SECRET');
  });

  test('an event that waits for a retry is not sent to the new endpoint, but becomes a dead letter', async () => {
    const world = await openWorld();
    const { admin, reader, failing, taking } = world;
    const path = await subscribed(world, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    await until('the endpoint has failed', () => failing.received.length > 0);
    await narrow(world, path);
    expect((await reader('PATCH', path, { delivery: { url: taking.url } })).status).toBe(200);
    const hasLetter = async (): Promise<boolean> => (await lettersOf(admin, path)).length === 1;
    await until('it is given up', async () => (await hasLetter()) || taking.received.length > 0);
    expect(await lettersOf(admin, path)).toMatchObject([{ channel: 'secret.1', outcome: 'channel_removed' }]);
    expect(await ordered(world, taking)).toEqual(['an order']);
    // Earlier requests and answers are visible only to callers with access to all channels.
    const attempts = async (ask: Ask): Promise<readonly Answer[]> =>
      (await ask('GET', `${path}/attempts`)).body['attempts'] as readonly Answer[];
    await until('the order is recorded', async () => (await attempts(admin))[0]?.['outcome'] === 'delivered');
    const headers = { 'webhook-id': expect.any(String) as unknown };
    expect((await attempts(admin)).at(-1)).toMatchObject({ outcome: 'refused_status', request: { headers } });
    expect((await attempts(reader)).at(-1)).toMatchObject({ outcome: 'refused_status', response: null });
    expect((await attempts(reader)).at(-1)?.['request']).toMatchObject({ headers: {} });
    expect((await attempts(reader)).at(-1)?.['request']).not.toMatchObject({ headers });
    expect((await attempts(reader))[0]).toMatchObject({ outcome: 'delivered', request: { headers } });
  });

  test('an event that was returned to a queue is not delivered again', async () => {
    const world = await openWorld();
    const { admin, reader } = world;
    const { body } = await admin('POST', '/v1/subscriptions', { channels: ['secret.1'], delivery: { kind: 'pull' } });
    const path = `/v1/subscriptions/${body['id'] as string}`;
    for (const data of ['TOP SECRET', 'as secret']) await admin('POST', '/v1/events', { channel: 'secret.1', data });
    const pulled = await admin('POST', `${path}/pull`, { count: 1, waitSeconds: 30 });
    const leases = (pulled.body['events'] as readonly { lease: string }[]).map(({ lease }) => lease);
    await narrow(world, path);
    expect((await admin('POST', `${path}/nack`, { leases })).body).toEqual({ count: 1, notHeld: [] });
    await admin('POST', '/v1/events', { channel: 'orders.1', data: 'an order' });
    const seen: unknown[] = [];
    while (!seen.includes('an order')) {
      const { status, body: answer } = await reader('POST', `${path}/pull`, { count: 10, waitSeconds: 30 });
      expect(status).toBe(200);
      for (const { event } of answer['events'] as readonly { event: Answer }[]) seen.push(event['data']);
    }
    expect(seen).toEqual(['an order']);
    expect(await lettersOf(admin, path)).toMatchObject([{ channel: 'secret.1', outcome: 'channel_removed' }]);
    expect(await lettersOf(reader, path)).toEqual([]);
  });
});
