import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import type { HubStatus } from '../operate/hub-status.ts';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../testing/subscription-hub.ts';

async function statusOf({ ask }: SubscriptionHub, headers: Readonly<Record<string, string>> = {}): Promise<HubStatus> {
  return (await ask('GET', '/v1/status', undefined, headers)).body as HubStatus;
}

test('the status names the sessions that are behind, the slowest first, and counts the others', async () => {
  const hub = await openSubscriptionHub();
  const socket = connect(hub.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.write('GET /v1/events?channel=big HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
  await once(socket, 'readable');
  // From here on nothing reads the socket.
  const reading = await fetch(`${hub.url}/v1/events?channel=small`, { headers: { accept: 'text/event-stream' } });
  onTestFinished(() => reading.body?.cancel());
  const data = 'x'.repeat(200_000);
  for (let count = 0; count < 60; count++) await hub.publish('big', data);
  await waitUntil(async () => {
    const { readers, sessions } = await statusOf(hub);
    expect(sessions.sse).toBe(2);
    expect(readers.slowest).toMatchObject([{ transport: 'sse', user: null, address: '127.0.0.1', channels: ['big'] }]);
    expect(readers.slowest[0]?.lagEvents).toBe(readers.lagEventsMax);
  });
});

test('the status names subscriptions whose deliveries fail', async () => {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint((_request, response) => void response.writeHead(500).end());
  const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } });
  await hub.create({ channels: ['b'], delivery: { kind: 'pull' } });
  await hub.publish('a', 1);
  await waitUntil(async () => {
    const { subscriptions, webhooks } = await statusOf(hub);
    expect(subscriptions.states['active']).toMatchObject({ count: 2, lagEventsMax: 1 });
    expect(subscriptions.failing).toMatchObject([{ id, state: 'active', url: endpoint.url, lagEvents: 1 }]);
    expect(Object.values(webhooks.requests)).toContain(1);
  });
});

test('of many failing subscriptions the status names the ten with the lowest ids, and no other', async () => {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint((_request, response) => void response.writeHead(500).end());
  const created = await Promise.all(
    Array.from({ length: 12 }, () => hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } })),
  );
  await hub.create({ channels: ['b'], delivery: { kind: 'webhook', url: endpoint.url } });
  await hub.publish('a', 1);
  const ids = created.map(({ id }) => id).toSorted();
  await waitUntil(async () => {
    const { subscriptions } = await statusOf(hub);
    expect(subscriptions.failing.map(({ id }) => id)).toEqual(ids.slice(0, 10));
    expect(subscriptions.states['active']).toMatchObject({ count: 13, lagEventsMax: 1 });
  });
});

test('the log counts the events that it stores, also after a restart, retention and an erasure', async () => {
  const data = temporaryFolder();
  const rules = [{ pattern: 'short', historyCountMax: 3 }];
  const settings = { data, rules, access: 'rules' };
  const first = await openSubscriptionHub(settings);
  const key = { authorization: `Bearer ${first.firstKey ?? ''}` };
  const eventsOf = async (hub: SubscriptionHub): Promise<number> => (await statusOf(hub, key)).log.events;
  const publish = (hub: SubscriptionHub, channel: string): Promise<unknown> =>
    hub.ask('POST', '/v1/events', { channel, data: 1 }, key);
  for (const channel of ['short', 'short', 'short', 'short', 'short', 'long', 'long']) await publish(first, channel);
  await waitUntil(async () => expect(await eventsOf(first)).toBe(5));
  await first.close();
  const second = await openSubscriptionHub(settings);
  expect(await eventsOf(second)).toBe(5);
  await publish(second, 'long');
  expect(await eventsOf(second)).toBe(6);
  expect((await second.ask('DELETE', '/v1/channels/long', undefined, key)).status).toBe(202);
  await waitUntil(async () => expect(await eventsOf(second)).toBe(3));
});

test('the caller is the address that the hub sees', async () => {
  const untrusting = await openSubscriptionHub();
  const headers = { 'x-forwarded-for': '203.0.113.7' };
  expect((await statusOf(untrusting)).caller).toEqual({ address: '127.0.0.1', forwarded: false, encrypted: false });
  expect((await statusOf(untrusting, headers)).caller).toMatchObject({ address: '127.0.0.1', forwarded: true });
  const trusting = await openSubscriptionHub({ trustedProxies: ['127.0.0.1'] });
  expect((await statusOf(trusting, headers)).caller).toMatchObject({ address: '203.0.113.7', forwarded: true });
});
