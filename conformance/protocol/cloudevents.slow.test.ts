import { CloudEvent, HTTP } from 'cloudevents';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, type Reply } from '../kit/http.ts';

/** PROTOCOL.md section 8.5, with events of the official SDK. */
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

const ATTRIBUTES = {
  source: '/shop',
  type: 'order.created',
  subject: 'orders.42',
  priority: 5,
  urgent: true,
  time: '2026-01-02T03:04:05.678Z',
};

describe.each(['binary', 'structured'] as const)('an event in %s mode', (mode) => {
  test('is published with its type, its data and its attributes', async () => {
    const event = new CloudEvent({ ...ATTRIBUTES, id: `${mode}-1`, data: { pizza: 'é', price: 9.5 } });
    const reply = await send(mode, event);
    expect([reply.status, reply.json<{ channel: string }>().channel]).toEqual([201, 'orders.42']);
    expect(await newest('orders.42')).toMatchObject({
      type: 'order.created',
      data: { pizza: 'é', price: 9.5 },
      cloudevent: {
        specversion: '1.0',
        id: `${mode}-1`,
        source: '/shop',
        subject: 'orders.42',
        time: '2026-01-02T03:04:05.678Z',
      },
    });
  });

  test('is published once although it is sent repeatedly: source and id are its key', async () => {
    const event = new CloudEvent({ ...ATTRIBUTES, id: `${mode}-twice`, data: 1 });
    const [first, second] = [await send(mode, event), await send(mode, event)];
    expect(second.text).toBe(first.text);
    expect(second.headers['idempotency-replayed']).toBe('true');
  });

  test('goes to the channel of the path, else to the channel that it names, else to its subject', async () => {
    const named = new CloudEvent({ ...ATTRIBUTES, id: `${mode}-named`, channel: 'named', data: 1 });
    expect((await send(mode, named)).json<{ channel: string }>().channel).toBe('named');
    const there = new CloudEvent({ ...ATTRIBUTES, id: `${mode}-path`, data: 1 });
    expect((await send(mode, there, '/v1/channels/path/events')).json<{ channel: string }>().channel).toBe('path');
    const nowhere = new CloudEvent({ source: 's', type: 't', id: `${mode}-nowhere`, subject: 'no channel', data: 1 });
    expect((await send(mode, nowhere)).json<{ code: string }>().code).toBe('channel_missing');
  });

  test('may contain text, bytes, or no data', async () => {
    const text = new CloudEvent({
      ...ATTRIBUTES,
      id: `${mode}-text`,
      channel: 'text',
      datacontenttype: 'text/plain',
      data: 'hello é',
    });
    expect((await send(mode, text)).status).toBe(201);
    expect(await newest('text')).toMatchObject({ datacontenttype: 'text/plain', data: 'hello é' });
    const nothing = new CloudEvent({ ...ATTRIBUTES, id: `${mode}-nothing`, channel: 'nothing' });
    expect((await send(mode, nothing)).status).toBe(201);
    expect(await newest('nothing')).toMatchObject({ data: null });
    if (mode === 'binary') return;
    const bytes = new CloudEvent({
      ...ATTRIBUTES,
      id: `${mode}-bytes`,
      channel: 'bytes',
      datacontenttype: 'image/png',
      data: Uint8Array.from([0, 255, 128, 7]),
    });
    expect((await send(mode, bytes)).status).toBe(201);
    const stored = await call(`${hub.url}/v1/channels/bytes`);
    expect([stored.headers['content-type'], [...stored.bytes]]).toEqual(['image/png', [0, 255, 128, 7]]);
  });
});

test('a batch has one result per event', async () => {
  const events = [1, 2, 3].map((n) =>
    new CloudEvent({ ...ATTRIBUTES, id: `batch-${n}`, channel: 'batch', data: n }).toJSON(),
  );
  const body = JSON.stringify([
    ...events,
    { specversion: '1.0', id: 'x' },
    { ...events[0], id: 'batch-4', source: '' },
  ]);
  const reply = await call(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/cloudevents-batch+json; charset=utf-8' },
    body,
  });
  expect(reply.status).toBe(200);
  expect(reply.json<{ error?: { code: string } }[]>().map(({ error }) => error?.code ?? 'taken')).toEqual([
    'taken',
    'taken',
    'taken',
    'invalid_event',
    'invalid_event',
  ]);
});

test('headers in binary mode are percent-decoded', async () => {
  const headers = {
    'Content-Type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'percent',
    'ce-source': '/a',
    'ce-type': 'caf%C3%A9',
    'ce-channel': 'percent',
    'ce-note': '100%25 %22sure%22',
  };
  expect((await call(`${hub.url}/v1/events`, { method: 'POST', headers, body: '{"a":1}' })).status).toBe(201);
  expect(await newest('percent')).toMatchObject({ type: 'café', data: { a: 1 }, cloudevent: { note: '100% "sure"' } });
});

/**
 * CloudEvents HTTP binding 1.0.2, section 3.1.3.2, and the encoding of the Go SDK: unencoded UTF-8,
 * and `%` for itself.
 */
test.each([
  ['"quoted \\"x\\" y"', 'quoted "x" y'],
  ['"50%25"', '50%'],
  ['"half', '"half'],
  ['ž x', 'ž x'],
  ['Å¾', 'Å¾'],
  ['ž x%', 'ž x%'],
  ['%C5%BE %zz %C5', 'ž %zz %C5'],
  ['100%2525', '100%25'],
])('a header in binary mode: %s', async (value, expected) => {
  const headers = {
    'Content-Type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': value,
    'ce-source': '/headers',
    'ce-type': 't',
    'ce-channel': 'headers',
    'ce-subject': value,
  };
  const asBytes = Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [name, Buffer.from(text).toString('latin1')]),
  );
  const reply = await call(`${hub.url}/v1/events`, { method: 'POST', headers: asBytes, body: ONE });
  expect([reply.status, reply.text.includes('"id"')]).toEqual([201, true]);
  expect(await newest('headers')).toMatchObject({ cloudevent: { id: expected, subject: expected } });
});

test('a header in binary mode that is not UTF-8 is refused', async () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': '\xff',
    'ce-source': 's',
    'ce-type': 't',
    'ce-channel': 'headers',
  };
  const reply = await call(`${hub.url}/v1/events`, { method: 'POST', headers, body: ONE });
  expect([reply.status, reply.json<{ code: string }>().code]).toEqual([400, 'invalid_header']);
});

/** As bytes, because Node writes headers before a text in the encoding of the text. */
const ONE = Buffer.from('1');

function send(mode: 'binary' | 'structured', event: CloudEvent<unknown>, path = '/v1/events'): Promise<Reply> {
  const { headers, body } = HTTP[mode](event);
  const text = typeof body === 'number' ? String(body) : (body as string | undefined);
  return call(hub.url + path, {
    method: 'POST',
    headers: headers as Record<string, string>,
    ...(text === undefined ? {} : { body: text }),
  });
}

async function newest(channel: string): Promise<Record<string, unknown>> {
  const { events } = (await call(`${hub.url}/v1/channels/${channel}/history?limit=1`)).json<{
    events: Record<string, unknown>[];
  }>();
  return events[0] ?? {};
}
