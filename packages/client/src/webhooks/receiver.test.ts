import { once } from 'node:events';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import express from 'express';
import { Webhook } from 'standardwebhooks';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  AnswerWith,
  createReceiver,
  memorySeen,
  type PolycastEvent,
  type ReceiverOptions,
  type WebhookHandler,
  type WebhookReceiver,
} from '../webhooks.ts';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const JSON_TYPE = { 'content-type': 'application/json' };

function event(number: number, more: object = {}): PolycastEvent {
  return {
    id: `event-${number}`,
    channel: 'orders.1',
    type: 'baked',
    time: '2026-11-20T12:00:00.000Z',
    data: number,
    ...more,
  };
}

function signed(
  body: string,
  id = 'event-1',
  more: Record<string, string> = JSON_TYPE,
): RequestInit & { body: string } {
  const timestamp = new Date();
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(timestamp.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, timestamp, body),
    ...more,
  };
  return { method: 'POST', headers, body };
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.closeAllConnections());
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

type Send = (init: RequestInit) => Promise<Response>;

/** The same receiver behind each kind of server. */
const HOSTS: [name: string, host: (receiver: WebhookReceiver) => Promise<Send>][] = [
  [
    'a handler of requests',
    async ({ fetch: answer }) =>
      (init) =>
        answer(new Request('https://shop.example/', init)),
  ],
  ['node:http', async (receiver) => sender(await listen((request, response) => void receiver.node(request, response)))],
  [
    'Express',
    async (receiver) => {
      const app = express();
      app.post('/', receiver.node);
      app.use(express.json());
      return sender(await listen(app));
    },
  ],
  [
    'Express behind express.raw()',
    async (receiver) => {
      const app = express();
      app.post('/', express.raw({ type: '*/*', limit: '10mb' }), receiver.node);
      return sender(await listen(app));
    },
  ],
];

function sender(url: string): Send {
  return (init) => fetch(url, init);
}

describe.each(HOSTS)('behind %s', (_name, host) => {
  async function received(
    options: Partial<ReceiverOptions> = {},
    handler: WebhookHandler = () => undefined,
  ): Promise<{ send: Send; events: PolycastEvent[] }> {
    const events: PolycastEvent[] = [];
    const receiver = createReceiver(
      { secrets: SECRET, onError: () => undefined, ...options },
      async (each, delivery) => {
        events.push(each);
        await handler(each, delivery);
      },
    );
    return { send: await host(receiver), events };
  }

  test('an event arrives as it was sent, and is answered with 204', async () => {
    const { send, events } = await received();
    const sent = event(1, { data: { text: 'é\u2028"' } });
    expect((await send(signed(JSON.stringify(sent)))).status).toBe(204);
    expect(events).toEqual([sent]);
  });

  test('several events of one request arrive in order', async () => {
    const { send, events } = await received();
    expect((await send(signed(JSON.stringify([event(1), event(2)])))).status).toBe(204);
    expect(events.map(({ data }) => data)).toEqual([1, 2]);
  });

  test('an unsigned request is refused with the reason, and does not reach the handler', async () => {
    const { send, events } = await received();
    const { headers, body } = signed(JSON.stringify(event(1)));
    const refusals = [
      await send({ method: 'POST', headers: JSON_TYPE, body }),
      await send({ method: 'POST', headers: headers as HeadersInit, body: `${body} ` }),
    ];
    expect(refusals.map(({ status }) => status)).toEqual([400, 401]);
    expect(await refusals[1]?.text()).toMatch(/^wrong_signature: /);
    expect(events).toEqual([]);
  });

  test('a request that is too long is refused before its body is read', async () => {
    const { send, events } = await received({ bodyBytesMax: 1000 });
    expect((await send(signed(JSON.stringify(event(1, { data: 'x'.repeat(5000) }))))).status).toBe(413);
    expect(events).toEqual([]);
  });

  test('a handler that throws causes a retry; a handler may answer the request itself', async () => {
    const outcomes = [
      new Error('down'),
      Object.assign(new Error('of an HTTP client'), { status: 410 }),
      new AnswerWith(503, 7),
      new AnswerWith(410),
    ];
    const { send } = await received({}, () => Promise.reject(outcomes.shift() as Error));
    const answers: Response[] = [];
    for (const _ of [1, 2, 3, 4]) answers.push(await send(signed(JSON.stringify(event(1)))));
    expect(answers.map(({ status }) => status)).toEqual([500, 500, 503, 410]);
    expect(answers[2]?.headers.get('retry-after')).toBe('7');
  });

  test('the verification of the hub succeeds', async () => {
    const { send, events } = await received();
    const question = event(0, { type: 'polycast.verify', data: { challenge: 'abc' } });
    const answer = await send(signed(JSON.stringify(question)));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ challenge: 'abc' });
    expect(events).toEqual([]);
  });
});

describe('with a memory of handled events', () => {
  function remembering(handler: WebhookHandler, options: Partial<ReceiverOptions> = {}): Send {
    const receiver = createReceiver(
      { secrets: SECRET, seen: memorySeen(), onError: () => undefined, ...options },
      handler,
    );
    return (init) => receiver.fetch(new Request('https://shop.example/', init));
  }

  test('an attempt that arrives twice is handled once', async () => {
    const handled: unknown[] = [];
    const send = remembering(({ data }) => handled.push(data));
    for (const _ of [1, 2]) expect((await send(signed(JSON.stringify(event(1))))).status).toBe(204);
    expect(handled).toEqual([1]);
  });

  test('of several events only the unhandled ones are handled again', async () => {
    const handled: unknown[] = [];
    const send = remembering(({ data }) => {
      handled.push(data);
      if (data === 2 && handled.length === 2) throw new Error('down');
    });
    const body = JSON.stringify([event(1), event(2), event(3)]);
    expect((await send(signed(body))).status).toBe(500);
    expect((await send(signed(body))).status).toBe(204);
    expect(handled).toEqual([1, 2, 2, 3]);
  });

  test('during an attempt, a concurrent one is asked to retry later', async () => {
    const begun = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    const send = remembering(() => {
      begun.resolve();
      return done.promise;
    });
    const first = send(signed(JSON.stringify(event(1))));
    // Signatures are verified in threads, so that the second could finish before the first.
    await begun.promise;
    const second = await send(signed(JSON.stringify(event(1))));
    expect([second.status, second.headers.get('retry-after')]).toEqual([409, '5']);
    done.resolve();
    expect((await first).status).toBe(204);
    expect((await send(signed(JSON.stringify(event(1))))).status).toBe(204);
  });

  test('an attempt that began and never ended is handled again after its lease', async () => {
    let nowMs = 0;
    const seen = memorySeen({ now: () => nowMs });
    const handled: unknown[] = [];
    const send = remembering(({ data }) => handled.push(data), { seen });
    // A process that begins, and then is killed.
    expect(seen.begin('event-1', 60)).toBe('new');
    expect((await send(signed(JSON.stringify(event(1))))).status).toBe(409);
    nowMs = 60_000;
    expect((await send(signed(JSON.stringify(event(1))))).status).toBe(204);
    expect(handled).toEqual([1]);
  });

  test('the memory is bounded, and drops the oldest entries', () => {
    const seen = memorySeen({ idsMax: 2 });
    for (const id of ['a', 'b', 'c']) {
      seen.begin(id, 60);
      seen.finish(id, 60);
    }
    expect(['c', 'b', 'a'].map((id) => seen.begin(id, 60))).toEqual(['done', 'done', 'new']);
  });
});

describe('in other formats', () => {
  async function eventOf(init: RequestInit): Promise<PolycastEvent | undefined> {
    let seen: PolycastEvent | undefined;
    const receiver = createReceiver({ secrets: SECRET }, (each) => void (seen = each));
    expect((await receiver.fetch(new Request('https://shop.example/', init))).status).toBe(204);
    return seen;
  }

  const CLOUD = {
    specversion: '1.0',
    id: 'of-the-shop',
    cursor: 'event-1',
    source: '/shop',
    type: 'baked',
    time: '2026-11-20T12:00:00.000Z',
  };

  test('a CloudEvent', async () => {
    const body = JSON.stringify({ ...CLOUD, channel: 'orders.1', data: { a: 1 } });
    expect(await eventOf(signed(body, 'event-1', { 'content-type': 'application/cloudevents+json' }))).toEqual({
      id: 'event-1',
      channel: 'orders.1',
      type: 'baked',
      time: '2026-11-20T12:00:00.000Z',
      data: { a: 1 },
      cloudevent: { id: 'of-the-shop', specversion: '1.0', source: '/shop' },
    });
  });

  test('a CloudEvent whose attributes are headers', async () => {
    const attributes = Object.entries({ ...CLOUD, subject: 'orders.1' }).map(([name, value]) => [`ce-${name}`, value]);
    expect(
      await eventOf(signed('{"a":1}', 'event-1', { ...JSON_TYPE, ...Object.fromEntries(attributes) })),
    ).toMatchObject({
      id: 'event-1',
      channel: 'orders.1',
      type: 'baked',
      data: { a: 1 },
    });
  });

  test('data alone, of a type that is not ASCII', async () => {
    const headers = {
      'polycast-channel': 'orders.1',
      'polycast-time': CLOUD.time,
      'polycast-type': '100%25%20bezahlt%20%E2%82%AC',
    };
    expect(await eventOf(signed('{"a":1}', 'event-1', { ...JSON_TYPE, ...headers }))).toEqual({
      id: 'event-1',
      channel: 'orders.1',
      type: '100% bezahlt €',
      time: CLOUD.time,
      data: { a: 1 },
    });
  });
});

describe('CloudEvents’ handshake', () => {
  const ask = async (allowedOrigins?: readonly string[]): Promise<Headers> => {
    const receiver = createReceiver({ secrets: SECRET, ...(allowedOrigins && { allowedOrigins }) }, () => undefined);
    const headers = { 'WebHook-Request-Origin': 'hub.example', 'WebHook-Request-Rate': '100' };
    return (await receiver.fetch(new Request('https://shop.example/', { method: 'OPTIONS', headers }))).headers;
  };

  test('succeeds for hubs that are allowed', async () => {
    expect((await ask(['hub.example'])).get('webhook-allowed-origin')).toBe('hub.example');
    expect((await ask(['*'])).get('webhook-allowed-rate')).toBe('*');
  });

  test('fails for all others', async () => {
    expect((await ask()).get('webhook-allowed-origin')).toBeNull();
    expect((await ask(['other.example'])).get('webhook-allowed-origin')).toBeNull();
  });
});

test('other methods are refused', async () => {
  const receiver = createReceiver({ secrets: SECRET }, () => undefined);
  const answer = await receiver.fetch(new Request('https://shop.example/'));
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
});

test('a body that Express has parsed before is reported as this mistake', async () => {
  const errors: unknown[] = [];
  const receiver = createReceiver({ secrets: SECRET, onError: (error) => errors.push(error) }, () => undefined);
  const app = express();
  app.use(express.json());
  app.post('/', receiver.node);
  const answer = await fetch(await listen(app), signed(JSON.stringify(event(1))));
  expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('before express.json()')]);
  expect(errors).toMatchObject([{ code: 'body_parsed' }]);
});

test('an aborted request does not reach the handler, and affects no other request', async () => {
  const codes: unknown[] = [];
  const aborted = Promise.withResolvers<void>();
  const onError = (error: unknown): void => {
    codes.push((error as { code: unknown }).code);
    aborted.resolve();
  };
  const receiver = createReceiver({ secrets: SECRET, onError }, () => codes.push('handled'));
  const url = await listen((request, response) => void receiver.node(request, response));
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"id":', () => socket.destroy());
  await aborted.promise;
  expect(codes).toEqual(['invalid_body']);
});

test('several headers of one name are combined', async () => {
  const receiver = createReceiver({ secrets: SECRET }, () => undefined);
  const url = await listen((request, response) => void receiver.node(request, response));
  const { headers, body } = signed(JSON.stringify(event(1)));
  const { 'webhook-signature': signature, ...rest } = headers as Record<string, string>;
  const asked = httpRequest(url, {
    method: 'POST',
    headers: { ...rest, 'webhook-signature': ['v1,AAAA', signature as string] },
  });
  const [answer] = (await once(asked.end(body), 'response')) as [{ statusCode: number; resume(): void }];
  answer.resume();
  expect(answer.statusCode).toBe(204);
});
