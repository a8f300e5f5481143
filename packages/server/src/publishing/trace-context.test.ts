import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../testing/subscription-hub.ts';

/** A context for each way to publish. The hub neither records nor changes it. */
function context(index: number): string {
  return `00-${String(index).padStart(32, 'a')}-${String(index).padStart(16, 'b')}-01`;
}

interface Pulled {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly event: { readonly channel: string; readonly data: unknown };
}

async function pullAll(hub: SubscriptionHub, id: unknown): Promise<readonly Pulled[]> {
  const { body } = await hub.ask('POST', `/v1/subscriptions/${String(id)}/pull`, { count: 100 });
  return body['events'] as readonly Pulled[];
}

/** By the data of the event. */
function contexts(pulled: readonly Pulled[]): Record<string, string | undefined> {
  return Object.fromEntries(pulled.map(({ event, traceparent }) => [String(event.data), traceparent]));
}

test('the trace context of every way to publish reaches a pull', async () => {
  const hub = await openSubscriptionHub();
  const { id } = await hub.create({
    channels: ['jobs', 'polycast.private.>'],
    ordering: 'none',
    delivery: { kind: 'pull' },
  });
  const header = { traceparent: context(1), tracestate: 'vendor="x"' };
  const cloudEvent = { specversion: '1.0', source: '/s', type: 't', channel: 'jobs' };
  await hub.ask('POST', '/v1/events', { channel: 'jobs', data: 'header' }, header);
  await hub.ask('POST', '/v1/channels/jobs/events', '"data"', header);
  await hub.ask('POST', '/v1/users/ann/events', { data: 'user' }, header);
  await hub.ask('POST', '/v1/users/events', { users: ['ann'], data: 'users', traceparent: context(2) }, header);
  const items = [
    { channel: 'jobs', data: 'own', traceparent: context(3), tracestate: 'a=1' },
    { channel: 'jobs', data: 'common' },
    { channel: 'jobs', data: 'garbage', traceparent: 'x'.repeat(65_536) },
  ];
  await hub.ask('POST', '/v1/events', items, header);
  const lines = [{ channel: 'jobs', data: 'line', traceparent: context(4) }].map((line) => JSON.stringify(line));
  await fetch(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  const structured = { 'content-type': 'application/cloudevents+json', ...header };
  await hub.ask('POST', '/v1/events', { ...cloudEvent, id: '1', traceparent: context(5), data: 'event' }, structured);
  const binary = Object.entries({ ...cloudEvent, id: '2', traceparent: context(6) });
  const attributes = Object.fromEntries(binary.map(([name, value]) => [`ce-${name}`, value]));
  await hub.ask('POST', '/v1/events', '"binary"', { ...attributes, ...header });
  await publishBySocket(hub.url, { channel: 'jobs', data: 'socket', traceparent: context(7) });
  await hub.publish('jobs', 'none');

  const pulled = await pullAll(hub, id);
  expect(contexts(pulled)).toEqual({
    header: context(1),
    data: context(1),
    user: context(1),
    users: context(2),
    own: context(3),
    common: context(1),
    garbage: context(1),
    line: context(4),
    event: context(5),
    binary: context(6),
    socket: context(7),
    none: undefined,
  });
  expect(pulled.map(({ tracestate }) => tracestate).filter((text) => text === 'a=1')).toHaveLength(1);
  expect(pulled[0]?.tracestate).toBe('vendor="x"');
});

test('no other reader receives it, also not as a CloudEvents attribute', async () => {
  const hub = await openSubscriptionHub();
  const header = { traceparent: context(1), tracestate: 'secret=1' };
  await hub.ask('POST', '/v1/events', { channel: 'jobs', data: 1 }, header);
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't', channel: 'jobs', traceparent: context(1) };
  await hub.ask('POST', '/v1/events', { ...event, data: 2 }, { 'content-type': 'application/cloudevents+json' });
  const { body } = await hub.ask('GET', '/v1/events?channel=jobs&after=earliest');
  expect(body['events']).toHaveLength(2);
  expect(JSON.stringify(body)).not.toMatch(/trace|secret/);
});

test('a repeated CloudEvent with another trace context is the same event', async () => {
  const hub = await openSubscriptionHub();
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't', channel: 'jobs', data: 1 };
  const publish = (traceparent: string): ReturnType<SubscriptionHub['ask']> =>
    hub.ask('POST', '/v1/events', { ...event, traceparent }, { 'content-type': 'application/cloudevents+json' });
  const [first, second] = [await publish(context(1)), await publish(context(2))];
  expect([first.status, second.status, second.body['id']]).toEqual([201, 201, first.body['id']]);
});

test('webhooks have it as headers, and as CloudEvents attributes; a batch only if its events share it', async () => {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint();
  const hook = (name: string, delivery: object): Promise<unknown> =>
    hub.create({ channels: ['a', 'b'], delivery: { kind: 'webhook', url: `${endpoint.url}?${name}`, ...delivery } });
  await hook('event', {});
  await hook('structured', { dialect: 'cloudevents' });
  await hook('binary', { format: 'cloudevents-binary' });
  await hook('batch', { batch: { countMax: 2, waitMs: 60_000 } });
  await hub.ask('POST', '/v1/events', { channel: 'a', data: 1 }, { traceparent: context(1), tracestate: 'a=1,b=2' });
  await hub.ask('POST', '/v1/events', { channel: 'b', data: 2 }, { traceparent: context(2) });
  const received = (name: string) => endpoint.received.filter(({ url }) => url.endsWith(`?${name}`));
  await waitUntil(() => {
    for (const name of ['event', 'structured', 'binary']) expect(received(name)).toHaveLength(2);
    expect(received('batch')).toHaveLength(1);
  });
  for (const name of ['event', 'structured', 'binary']) {
    const parents = received(name).map(({ headers }) => [headers['traceparent'], headers['tracestate']]);
    expect(parents.toSorted()).toEqual([
      [context(1), 'a=1,b=2'],
      [context(2), undefined],
    ]);
  }
  for (const { headers, body } of received('structured'))
    expect((JSON.parse(body) as Record<string, unknown>)['traceparent']).toBe(headers['traceparent']);
  for (const { headers } of received('binary')) expect(headers['ce-traceparent']).toBe(headers['traceparent']);
  expect(received('batch')[0]?.headers['traceparent']).toBeUndefined();
});

async function publishBySocket(url: string, event: object): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/events`);
  const answered = new Promise<unknown>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (text: Buffer) => {
      const message = JSON.parse(text.toString()) as { op?: string; ref?: unknown };
      if (message.ref === 1) resolve(message);
    });
  });
  socket.on('open', () => socket.send(JSON.stringify({ op: 'publish', ref: 1, ...event })));
  expect(await answered).toMatchObject({ id: expect.any(String) });
  socket.close();
}
