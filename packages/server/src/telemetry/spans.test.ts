import { expect, test } from 'vitest';
import { openOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../testing/otlp-receiver.ts';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../testing/subscription-hub.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE_ID}-${PARENT_ID}-01`;
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;
const ERROR = 2;

async function openTracedHub(
  settings: object = {},
  telemetry: object = {},
): Promise<{ hub: SubscriptionHub; receiver: OtlpReceiver }> {
  const receiver = await openOtlpReceiver();
  const hub = await openSubscriptionHub({
    ...settings,
    telemetry: { endpoint: receiver.url, metrics: false, spansDelayMs: 10, serviceName: 'hub', ...telemetry },
  });
  return { hub, receiver };
}

function named(receiver: OtlpReceiver, name: string): readonly ReceivedSpan[] {
  return receiver.spans.filter((span) => span.name === name);
}

async function pulled(hub: SubscriptionHub, id: unknown, count = 10): Promise<readonly Record<string, unknown>[]> {
  const { body } = await hub.ask('POST', `/v1/subscriptions/${String(id)}/pull`, { count });
  return body['events'] as Record<string, unknown>[];
}

test('a publish, a webhook request, a pull and its settlement are spans of the trace of the publisher', async () => {
  const { hub, receiver } = await openTracedHub();
  const endpoint = await openEndpoint();
  const webhook = await hub.create({ channels: ['jobs.a'], delivery: { kind: 'webhook', url: endpoint.url } });
  const queue = await hub.create({ channels: ['jobs.a'], delivery: { kind: 'pull' } });
  const { body } = await hub.ask('POST', '/v1/events', { channel: 'jobs.a', data: 1 }, { traceparent: TRACEPARENT });
  const [event] = await pulled(hub, queue['id']);
  await hub.ask('POST', `/v1/subscriptions/${String(queue['id'])}/ack`, { leases: [event?.['lease']] });
  await waitUntil(() => expect(receiver.spans).toHaveLength(4));

  const common = { traceId: TRACE_ID, service: 'hub' };
  const linkToPublisher = [expect.objectContaining({ traceId: TRACE_ID, spanId: PARENT_ID })];
  expect(named(receiver, 'publish')).toEqual([
    expect.objectContaining({
      ...common,
      parentSpanId: PARENT_ID,
      kind: SERVER,
      attributes: {
        'messaging.system': 'polycast',
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'jobs.a',
        'messaging.message.id': body['id'],
      },
    }),
  ]);
  const [deliver] = named(receiver, 'deliver');
  expect(deliver).toMatchObject({
    ...common,
    parentSpanId: PARENT_ID,
    kind: CLIENT,
    links: linkToPublisher,
    attributes: {
      'messaging.destination.name': 'jobs.a',
      'messaging.destination.subscription.name': webhook['id'],
      'messaging.message.id': body['id'],
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
    },
  });
  expect(endpoint.received[0]?.headers['traceparent']).toBe(`00-${TRACE_ID}-${deliver?.spanId}-01`);
  const [pull] = named(receiver, 'pull');
  expect(pull).toMatchObject({ ...common, parentSpanId: PARENT_ID, kind: CONSUMER, links: linkToPublisher });
  expect(pull?.attributes['polycast.settlement']).toBe('ack');
  expect(event?.['traceparent']).toBe(TRACEPARENT);
  expect(named(receiver, 'ack')).toEqual([expect.objectContaining({ ...common, parentSpanId: pull?.spanId })]);
});

test('an event without a context begins a trace, and its receivers continue it', async () => {
  const { hub, receiver } = await openTracedHub();
  const endpoint = await openEndpoint();
  await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url, dialect: 'cloudevents' } });
  await hub.publish('a', 1);
  await waitUntil(() => expect(receiver.spans).toHaveLength(2));
  const [[publish], [deliver]] = [named(receiver, 'publish'), named(receiver, 'deliver')];
  expect([publish?.kind, publish?.parentSpanId]).toEqual([PRODUCER, undefined]);
  expect([deliver?.traceId, deliver?.parentSpanId]).toEqual([publish?.traceId, publish?.spanId]);
  // The attribute is the context of the event's creation, whatever hop delivers it.
  const { body = '{}' } = endpoint.received[0] ?? {};
  expect(JSON.parse(body)).toMatchObject({ traceparent: `00-${publish?.traceId}-${publish?.spanId}-01` });
});

test('each attempt is a span, and a failed one says why', async () => {
  const { hub, receiver } = await openTracedHub();
  let answers = 0;
  const endpoint = await openEndpoint((_received, response) => response.writeHead(answers++ === 0 ? 503 : 204).end());
  await hub.create({
    channels: ['a'],
    delivery: { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [1] },
  });
  await hub.ask('POST', '/v1/events', { channel: 'a', data: 1 }, { traceparent: TRACEPARENT });
  await waitUntil(() => expect(named(receiver, 'deliver')).toHaveLength(2));
  const [failed, delivered] = named(receiver, 'deliver');
  expect(failed).toMatchObject({ status: { code: ERROR }, attributes: { 'error.type': '503' } });
  expect(delivered?.attributes).toMatchObject({ 'http.response.status_code': 204, 'http.request.resend_count': 1 });
  expect(delivered?.attributes['error.type']).toBeUndefined();
});

test('a batch is one span with a link to each context; a refused item is its error', async () => {
  const { hub, receiver } = await openTracedHub();
  const other = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
  const items = [
    { channel: 'a', data: 1 },
    { channel: 'b', data: 2, traceparent: other },
    { channel: '', data: 3 },
  ];
  await hub.ask('POST', '/v1/events', items, { traceparent: TRACEPARENT });
  await waitUntil(() => expect(receiver.spans).toHaveLength(1));
  expect(receiver.spans[0]).toMatchObject({
    traceId: TRACE_ID,
    parentSpanId: PARENT_ID,
    links: [expect.objectContaining({ traceId: 'c'.repeat(32), spanId: 'd'.repeat(16) })],
    attributes: { 'messaging.batch.message_count': 2 },
  });
});

test('a trace that its publisher does not record has no span, and its context passes through', async () => {
  const { hub, receiver } = await openTracedHub();
  const endpoint = await openEndpoint();
  await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: endpoint.url } });
  const traceparent = `00-${TRACE_ID}-${PARENT_ID}-00`;
  await hub.ask('POST', '/v1/events', { channel: 'a', data: 1 }, { traceparent });
  await hub.publish('b', 'the end');
  await waitUntil(() => {
    expect(receiver.spans).toHaveLength(1);
    expect(endpoint.received).toHaveLength(1);
  });
  expect(receiver.spans[0]?.traceId).not.toBe(TRACE_ID);
  expect(endpoint.received[0]?.headers['traceparent']).toBe(traceparent);
});

test('with a sample of nothing only publishers with a context are recorded; users cannot ask for it', async () => {
  const { hub, receiver } = await openTracedHub(
    { access: 'rules', rules: [{ pattern: 'wall', subscribe: ['anyone'], publish: ['anyone'] }] },
    { sampleRatio: 0 },
  );
  const anonymous = { authorization: '', traceparent: TRACEPARENT };
  const publish = (data: string, headers: Record<string, string>): Promise<unknown> =>
    hub.ask('POST', '/v1/events', { channel: 'wall', data }, headers);
  await publish('without', {});
  const refused = await hub.ask('POST', '/v1/events', { channel: 'wall', data: 'client' }, anonymous);
  expect(refused.status).toBe(201);
  await publish('server', { traceparent: TRACEPARENT });
  await waitUntil(() => expect(receiver.spans).toHaveLength(1));
  const queue = await hub.create({
    channels: ['wall'],
    start: 'earliest',
    ordering: 'none',
    delivery: { kind: 'pull' },
  });
  const contexts = (await pulled(hub, queue['id'])).map(({ traceparent }) => traceparent);
  expect(contexts).toEqual([undefined, `00-${TRACE_ID}-${PARENT_ID}-00`, TRACEPARENT]);
});

test('a lease that expires ends its span with an error', async () => {
  const { hub, receiver } = await openTracedHub();
  const queue = await hub.create({ channels: ['a'], delivery: { kind: 'pull', leaseSeconds: 1 } });
  await hub.ask('POST', '/v1/events', { channel: 'a', data: 1 }, { traceparent: TRACEPARENT });
  await pulled(hub, queue['id']);
  await waitUntil(() => expect(named(receiver, 'pull')).toHaveLength(1));
  expect(named(receiver, 'pull')[0]).toMatchObject({
    status: { code: ERROR },
    attributes: { 'polycast.settlement': 'expired' },
  });
});

test('the request has the configured headers, and the resource the attributes of the configuration', async () => {
  const { hub, receiver } = await openTracedHub(
    {},
    { headers: { authorization: 'Api-Token x' }, resourceAttributes: { 'deployment.environment.name': 'test' } },
  );
  await hub.publish('a', 1);
  await waitUntil(() => expect(receiver.spans).toHaveLength(1));
  expect(receiver.headers[0]).toMatchObject({ authorization: 'Api-Token x', 'content-type': 'application/json' });
  expect(receiver.resource).toMatchObject({ 'service.name': 'hub', 'deployment.environment.name': 'test' });
});
