import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import {
  openEndpoint,
  openSubscriptionHub,
  waitUntil,
  type Endpoint,
  type SubscriptionHub,
} from '../testing/subscription-hub.ts';

const HOMES: Readonly<Record<string, () => string>> = { memory: () => ':memory:', sqlite: () => temporaryFolder() };

/** Requests an erasure, and waits until it is finished. */
async function erase(hub: SubscriptionHub, path: string): Promise<Readonly<Record<string, unknown>>> {
  const { status, body } = await hub.ask('DELETE', path);
  expect([status, body['id']]).toEqual([202, expect.stringMatching(/^era_/)]);
  let erasure = body;
  await waitUntil(async () => {
    erasure = (await hub.ask('GET', `/v1/erasures/${String(body['id'])}`)).body;
    expect(erasure).toMatchObject({ state: 'finished', progress: 1 });
  });
  return erasure;
}

interface Poll {
  readonly events: readonly { readonly id: string; readonly data: unknown }[];
  readonly gaps: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  readonly cursor: string;
}

async function poll(hub: SubscriptionHub, query: string): Promise<Poll> {
  return (await hub.ask('GET', `/v1/events?${query}`)).body as unknown as Poll;
}

/** Settings for a webhook to an endpoint of the test. */
function trusting({ url }: Endpoint): object {
  const { host, origin } = new URL(url);
  return { outgoing: { allow: [host] }, subscriptions: { trustedEndpoints: [origin] } };
}

const dataOf = ({ events }: Poll): unknown[] => events.map(({ data }) => data);

describe.each(Object.keys(HOMES))('in %s', (home) => {
  const open = (settings: object = {}, speed = 1): Promise<SubscriptionHub> =>
    openSubscriptionHub({ data: HOMES[home]?.(), access: 'rules', ...settings }, speed);

  test('an event goes; a reader that comes by gets a gap with the reason `erased`', async () => {
    const hub = await open();
    const first = await hub.publish('orders.1', 'first');
    const secret = await hub.publish('orders.1', 'secret');
    await hub.publish('orders.1', 'third');
    expect(await erase(hub, `/v1/events/${secret}`)).toMatchObject({ kind: 'event', name: secret, events: 1 });
    const behind = await poll(hub, `channel=orders.1&after=${first}`);
    expect(dataOf(behind)).toEqual(['third']);
    expect(behind.gaps).toEqual([{ from: first, to: secret, reason: 'erased' }]);
    const after = await poll(hub, `channel=orders.1&after=${secret}`);
    expect([dataOf(after), after.gaps]).toEqual([['third'], []]);
    expect((await poll(hub, `channel=orders.1&history=5`)).events).toHaveLength(2);
    const { body: history } = await hub.ask('GET', '/v1/channels/orders.1/history');
    expect(JSON.stringify(history)).not.toContain('secret');
    const { entries } = (await hub.ask('GET', '/v1/audit')).body as { entries: { action: string; subject: string }[] };
    expect(entries.slice(0, 2).map(({ action, subject }) => [action, subject])).toEqual([
      ['erasure.finished', secret],
      ['erasure.requested', secret],
    ]);
  });

  test('an answer from before is not confirmed as unchanged', async () => {
    const hub = await open();
    const id = await hub.publish('orders.1', 'secret');
    const before = await hub.ask('GET', '/v1/events?channel=orders.1&history=5');
    const tag = before.headers.get('etag') ?? '';
    const ask = (): Promise<{ readonly status: number }> =>
      hub.ask('GET', '/v1/events?channel=orders.1&history=5', undefined, { 'if-none-match': tag });
    expect((await ask()).status).toBe(304);
    await erase(hub, `/v1/events/${id}`);
    expect((await ask()).status).toBe(200);
  });

  test('a channel goes with its name; what is published later stays', async () => {
    const hub = await open();
    const start = (await poll(hub, 'channel=other')).cursor;
    await hub.publish('orders.7', 'secret');
    await hub.publish('orders.8', 'kept');
    const last = await hub.publish('orders.7', 'secret too');
    expect(await erase(hub, '/v1/channels/orders.7')).toMatchObject({ events: 2 });
    const { channels } = (await hub.ask('GET', '/v1/channels')).body as { channels: { channel: string }[] };
    expect(channels.map(({ channel }) => channel)).toEqual(['orders.8']);
    const behind = await poll(hub, `channel=orders.7&after=${start}`);
    expect([behind.events, behind.gaps]).toEqual([[], [{ from: start, to: last, reason: 'erased' }]]);
    expect(dataOf(await poll(hub, `channel=orders.>&after=${start}`))).toEqual(['kept']);
    await hub.publish('orders.7', 'new');
    expect(dataOf(await poll(hub, `channel=orders.7&after=${last}`))).toEqual(['new']);
  });

  test('a user: private messages, events that the user published, and events of the hub about the user', async () => {
    const hub = await open({
      rules: [{ pattern: 'chat.>', subscribe: ['users'], publish: ['users'], presence: 'users' }],
      identity: { tokens: [{ keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
    });
    await hub.ask('POST', '/v1/users/ann/events', { data: 'to ann' });
    await hub.ask('POST', '/v1/users/ben/events', { data: 'to ben' });
    await hub.publish('chat.1', { text: 'a text that names "ann"' });
    await publishAs(hub, 'ann', 'by ann');
    await publishAs(hub, 'ben', 'by ben');
    expect(await erase(hub, '/v1/users/ann/data')).toMatchObject({ kind: 'user', name: 'ann', events: 2 });
    const all = await poll(hub, 'channel=chat.%3E&channel=polycast.private.%3E&after=earliest');
    expect(dataOf(all)).toEqual(['to ben', { text: 'a text that names "ann"' }, 'by ben']);
    const { channels } = (await hub.ask('GET', '/v1/channels')).body as { channels: { channel: string }[] };
    expect(channels.map(({ channel }) => channel)).not.toContain('polycast.private.ann');
  });

  test('a repeated request with its idempotency key does not publish an erased event again', async () => {
    const hub = await open();
    const publish = (): ReturnType<SubscriptionHub['ask']> =>
      hub.ask('POST', '/v1/events', { channel: 'orders.1', data: 'secret' }, { 'idempotency-key': 'once' });
    const first = await publish();
    await erase(hub, `/v1/events/${String(first.body['id'])}`);
    const again = await publish();
    expect([again.body['id'], again.body['time']]).toEqual([first.body['id'], first.body['time']]);
    expect((await poll(hub, 'channel=orders.1&history=5')).events).toEqual([]);
  });

  test('streams: one that is behind gets the gap, and one that is live goes on', async () => {
    const hub = await open();
    const first = await hub.publish('orders.1', 'first');
    const secret = await hub.publish('orders.1', 'secret');
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${String(hub.firstKey)}` };
    const live = await fetch(`${hub.url}/v1/events?channel=orders.1`, { headers });
    await erase(hub, `/v1/events/${secret}`);
    const behind = await fetch(`${hub.url}/v1/events?channel=orders.1&after=${first}`, { headers });
    await hub.publish('orders.1', 'last');
    const readUntilLast = async ({ body }: Response): Promise<string> => {
      const decoder = new TextDecoder();
      let text = '';
      for await (const bytes of body as ReadableStream<Uint8Array>) {
        text += decoder.decode(bytes, { stream: true });
        if (text.includes('"last"')) break;
      }
      return text;
    };
    const [liveText, behindText] = [await readUntilLast(live), await readUntilLast(behind)];
    expect(liveText).not.toContain('polycast.gap');
    expect(behindText).toContain(`{"from":"${first}","to":"${secret}","reason":"erased"}`);
    expect(behindText).not.toContain('secret"');
  });

  test('a webhook that waits for its retry sends a gap in place of the event, and its attempts are gone', async () => {
    let isUp = false;
    const endpoint = await openEndpoint((_received, response) => response.writeHead(isUp ? 200 : 500).end());
    const hub = await open(trusting(endpoint));
    const delivery = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: Array.from({ length: 30 }, () => 1) };
    const path = `/v1/subscriptions/${String((await hub.create({ channels: ['orders.>'], delivery }))['id'])}`;
    const secret = await hub.publish('orders.1', 'secret');
    const next = await hub.publish('orders.1', 'next');
    const attempts = async (): Promise<string> => JSON.stringify((await hub.ask('GET', `${path}/attempts`)).body);
    await waitUntil(async () => expect(await attempts()).toContain(secret));
    await erase(hub, `/v1/events/${secret}`);
    expect(await attempts()).not.toContain(`"event":"${secret}"`);
    isUp = true;
    await waitUntil(() => expect(endpoint.received.at(-1)?.body).toContain(next));
    const bodies = endpoint.received.map(({ body }) => body);
    const gapAt = bodies.findIndex((body) => body.includes('"reason":"erased"'));
    expect(gapAt).toBeGreaterThan(0);
    expect(bodies.findLastIndex((body) => body.includes('"secret"'))).toBeLessThan(gapAt);
  });

  test('a dead letter of an erased event is gone', async () => {
    const endpoint = await openEndpoint((_received, response) => response.writeHead(500).end());
    const hub = await open(trusting(endpoint));
    const delivery = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [] };
    const path = `/v1/subscriptions/${String((await hub.create({ channels: ['orders.>'], delivery }))['id'])}`;
    const secret = await hub.publish('orders.1', 'secret');
    const kept = await hub.publish('orders.2', 'kept');
    const letters = async (): Promise<unknown[]> =>
      ((await hub.ask('GET', `${path}/dead-letters`)).body['deadLetters'] as { event: string }[]).map(
        ({ event }) => event,
      );
    await waitUntil(async () => expect((await letters()).toSorted()).toEqual([secret, kept].toSorted()));
    await erase(hub, '/v1/channels/orders.1');
    expect(await letters()).toEqual([kept]);
    expect((await hub.ask('GET', path)).body).toMatchObject({ backlog: { deadLetters: 1 } });
  });

  test('an event that is erased while its last attempt is under way becomes no dead letter, and a gap follows', async () => {
    const held: (() => void)[] = [];
    const endpoint = await openEndpoint(({ body }, response) => {
      const answer = (): void => void response.writeHead(500).end();
      if (body.includes('"secret"')) held.push(answer);
      else answer();
    });
    const hub = await open(trusting(endpoint));
    const delivery = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [] };
    const path = `/v1/subscriptions/${String((await hub.create({ channels: ['orders.>'], delivery }))['id'])}`;
    await hub.publish('orders.1', 'secret');
    await waitUntil(() => expect(held).toHaveLength(1));
    await erase(hub, '/v1/channels/orders.1');
    for (const answer of held) answer();
    await waitUntil(() => expect(endpoint.received.at(-1)?.body).toContain('"reason":"erased"'));
    await waitUntil(async () =>
      expect((await hub.ask('GET', path)).body).toMatchObject({ backlog: { inFlight: 0, failing: 0, deadLetters: 0 } }),
    );
    expect(held).toHaveLength(1);
  });

  test('a pull subscription leases a gap in place of an event that waited', async () => {
    const hub = await open();
    const created = await hub.create({ channels: ['orders.>'], delivery: { kind: 'pull' } });
    const path = `/v1/subscriptions/${String(created['id'])}`;
    const secret = await hub.publish('orders.1', 'secret');
    await hub.publish('orders.1', 'next');
    await erase(hub, `/v1/events/${secret}`);
    const { body } = await hub.ask('POST', `${path}/pull`, { count: 10 });
    expect(JSON.stringify(body)).not.toContain('"secret"');
    expect(JSON.stringify(body)).toContain('"reason":"erased"');
  });

  test('a gap that a worker refuses for the last time becomes no dead letter, and the next event follows', async () => {
    const hub = await open();
    const delivery = { kind: 'pull', deliveriesMax: 1, leaseSeconds: 3600 };
    const created = await hub.create({ channels: ['orders.>'], ordering: 'per-channel', delivery });
    const path = `/v1/subscriptions/${String(created['id'])}`;
    const pull = async (): Promise<{ readonly leases: readonly string[]; readonly text: string }> => {
      const { body } = await hub.ask('POST', `${path}/pull`, { count: 1, waitSeconds: 30 });
      const events = body['events'] as readonly { readonly lease: string }[];
      return { leases: events.map(({ lease }) => lease), text: JSON.stringify(body) };
    };
    await hub.publish('orders.1', 'first');
    const first = await pull();
    // Behind a leased event of their channel, events stay in the log.
    const secret = await hub.publish('orders.1', 'secret');
    await hub.publish('orders.1', 'next');
    expect((await hub.ask('POST', `${path}/pull`, { count: 1 })).body).toMatchObject({ events: [] });
    await erase(hub, `/v1/events/${secret}`);
    await hub.ask('POST', `${path}/ack`, { leases: first.leases });
    const gap = await pull();
    expect(gap.text).toContain('"reason":"erased"');
    await hub.ask('POST', `${path}/nack`, { leases: gap.leases });
    expect((await pull()).text).toContain('"next"');
    expect((await hub.ask('GET', path)).body).toMatchObject({ backlog: { deadLetters: 0 } });
  });

  test('an event that is erased while it is leased for the last time becomes no dead letter, and a gap follows', async () => {
    const hub = await open();
    const delivery = { kind: 'pull', deliveriesMax: 1, leaseSeconds: 3600 };
    const path = `/v1/subscriptions/${String((await hub.create({ channels: ['orders.>'], delivery }))['id'])}`;
    const secret = await hub.publish('orders.1', 'secret');
    const { body } = await hub.ask('POST', `${path}/pull`, { count: 1 });
    const [{ lease } = { lease: '' }] = body['events'] as readonly { readonly lease: string }[];
    await erase(hub, `/v1/events/${secret}`);
    expect((await hub.ask('POST', `${path}/nack`, { leases: [lease] })).status).toBe(200);
    await hub.publish('orders.1', 'next');
    const pulled = async (): Promise<{ readonly lease: string; readonly text: string }> => {
      const { body: answer } = await hub.ask('POST', `${path}/pull`, { count: 1, waitSeconds: 30 });
      const [event] = answer['events'] as readonly { readonly lease: string }[];
      return { lease: event?.lease ?? '', text: JSON.stringify(answer) };
    };
    const gap = await pulled();
    expect(gap.text).toContain('"reason":"erased"');
    // The gap may be refused as an event may, and then the next event comes.
    await hub.ask('POST', `${path}/nack`, { leases: [gap.lease] });
    expect((await pulled()).text).toContain('"next"');
    expect((await hub.ask('GET', path)).body).toMatchObject({ backlog: { deadLetters: 0 } });
  });

  test('an event that does not exist, or is of another log, is not found', async () => {
    const hub = await open();
    const id = await hub.publish('orders.1', 1);
    for (const wrong of ['x', `${id.slice(0, -1)}9`, `0000000000${id.slice(10)}`])
      expect((await hub.ask('DELETE', `/v1/events/${wrong}`)).status).toBe(404);
    expect((await hub.ask('DELETE', '/v1/channels/orders.>')).status).toBe(400);
    expect((await hub.ask('GET', '/v1/erasures/era_none')).status).toBe(404);
  });
});

const SECRET = 'a secret of thirty-two bytes or more';

/** Publishes as a user, with a token. */
async function publishAs(hub: SubscriptionHub, user: string, data: unknown): Promise<void> {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: user, iat, exp: iat + 60 })}`;
  const signature = createHmac('sha256', SECRET).update(text).digest('base64url');
  const headers = { authorization: `Bearer ${text}.${signature}` };
  const { status, body } = await hub.ask('POST', '/v1/events', { channel: 'chat.1', data }, headers);
  if (status !== 201) throw new Error(JSON.stringify(body));
}
