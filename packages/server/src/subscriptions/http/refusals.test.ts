import { describe, expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, waitUntil, type SubscriptionHub } from '../../testing/subscription-hub.ts';

/** A webhook with one dead letter and one delivered event. */
async function withLetter(): Promise<{ hub: SubscriptionHub; path: string; letter: string; delivered: string }> {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint(({ body }, response) => response.writeHead(body === '1' ? 500 : 200).end());
  const delivery = { kind: 'webhook', url: endpoint.url, format: 'data', retryDelaysSeconds: [] };
  const { id } = await hub.create({ channels: ['a'], delivery });
  const path = `/v1/subscriptions/${String(id)}`;
  const [deadLetter, delivered] = [await hub.publish('a', 1), await hub.publish('a', 2)];
  await waitUntil(async () =>
    expect((await hub.ask('GET', `${path}/dead-letters`)).body['deadLetters']).toHaveLength(1),
  );
  await waitUntil(() => expect(endpoint.received).toHaveLength(2));
  return { hub, path, letter: deadLetter, delivered };
}

describe('a request to rotate a secret', () => {
  test.each<[body: unknown, code: string, member?: string]>([
    [{ overlapSeconds: -1 }, 'invalid_body', 'overlapSeconds'],
    [{ overlapSeconds: 2_592_001 }, 'invalid_body', 'overlapSeconds'],
    [{ overlapSeconds: 1e300 }, 'invalid_body', 'overlapSeconds'],
    [{ overlapSeconds: 0.5 }, 'invalid_body', 'overlapSeconds'],
    [{ overlapSeconds: '60' }, 'invalid_body', 'overlapSeconds'],
    [{ overlapSeconds: null }, 'invalid_body', 'overlapSeconds'],
    [{ secret: 'mine' }, 'invalid_body', 'secret'],
    [{ secret: '' }, 'invalid_body', 'secret'],
    [{ secret: 1 }, 'invalid_body', 'secret'],
    [{ secret: 'whsec_c2hvcnQ=' }, 'invalid_body', 'secret'],
    [{ secret: 'whsec_not base64 at all, though long enough' }, 'invalid_body', 'secret'],
    [{ secret: `whsk_${Buffer.alloc(64, 7).toString('base64')}` }, 'invalid_body', 'secret'],
    [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', signature: 'ed25519' }, 'invalid_body', 'signature'],
    [{ signature: 'rsa' }, 'invalid_body', 'signature'],
    [{ secrets: [] }, 'invalid_body', 'secrets'],
    ['{', 'invalid_json'],
    ['[]', 'invalid_body'],
  ])('by %j is refused, and the secret remains', async (body, code, member) => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/' } });
    const path = `/v1/subscriptions/${String(id)}`;
    const before = await hub.ask('GET', path);
    const refused = await hub.ask('POST', `${path}/rotate-secret`, body);
    expect([refused.status, refused.body['code'], refused.body['member']]).toEqual([400, code, member]);
    const after = await hub.ask('GET', path);
    expect([after.body, after.headers.get('etag')]).toEqual([before.body, '"1"']);
  });

  test('of a queue is refused, and so is a body of another type', async () => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
    const path = `/v1/subscriptions/${String(id)}`;
    const queue = await hub.ask('POST', `${path}/rotate-secret`);
    expect([queue.status, queue.body['code']]).toEqual([409, 'subscription_not_active']);
    const form = await hub.ask('POST', `${path}/rotate-secret`, 'overlapSeconds=1', { 'content-type': 'text/plain' });
    expect([form.status, form.body['code']]).toEqual([415, 'unsupported_media_type']);
    expect((await hub.ask('GET', path)).headers.get('etag')).toBe('"1"');
  });
});

describe('dead letters', () => {
  test.each([
    ['limit=0', 'invalid_parameter'],
    ['limit=101', 'invalid_parameter'],
    ['limit=x', 'invalid_parameter'],
    ['limit=', 'invalid_parameter'],
    ['limit=1&limit=2', 'invalid_parameter'],
    ['before=1', 'invalid_parameter'],
    ['after=x', 'invalid_cursor'],
    ['after=', 'invalid_cursor'],
    ['after=now', 'invalid_cursor'],
  ])('are not listed by %s', async (query, code) => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
    const { status, body } = await hub.ask('GET', `/v1/subscriptions/${String(id)}/dead-letters?${query}`);
    expect([status, body['code'], body['deadLetters']]).toEqual([400, code, undefined]);
  });

  test('that do not exist are not found, and the others remain', async () => {
    const { hub, path, letter: deadLetter, delivered } = await withLetter();
    const first = `${deadLetter.slice(0, deadLetter.indexOf('-'))}-00000000000`;
    for (const [method, below] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/retry'],
    ] as const) {
      for (const event of [delivered, first, 'zzzzzzzzzz-00000000001']) {
        const missing = await hub.ask(method, `${path}/dead-letters/${event}${below}`);
        expect([method, missing.status, missing.body['code']]).toEqual([method, 404, 'not_found']);
      }
      for (const event of ['x', `${deadLetter.slice(0, -1)}z`]) {
        const wrong = await hub.ask(method, `${path}/dead-letters/${event}${below}`);
        expect([method, wrong.status, wrong.body['code']]).toEqual([method, 400, 'invalid_cursor']);
      }
      const anonymousUrls = await hub.ask(
        method,
        `/v1/subscriptions/sub_0000000000000000/dead-letters/${deadLetter}${below}`,
      );
      expect([method, anonymousUrls.status, anonymousUrls.body['code']]).toEqual([method, 404, 'not_found']);
    }
    const body = await hub.ask('POST', `${path}/dead-letters/${deadLetter}/retry`, { now: true });
    expect([body.status, body.body['code'], body.body['member']]).toEqual([400, 'invalid_body', 'now']);
    const { deadLetters } = (await hub.ask('GET', `${path}/dead-letters`)).body;
    expect(deadLetters).toMatchObject([{ event: deadLetter, attempts: 1 }]);
  });
});

describe('a query on a route without parameters is refused', () => {
  test.each(['?x=1', '?limit=1', '?%', '?=1'])('%s', async (query) => {
    const hub = await openSubscriptionHub({ eventTypes: [{ name: 'paid', channels: ['a'] }] });
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
    const event = await hub.publish('a', 1);
    for (const path of [
      '/v1/event-types',
      '/v1/hooks',
      `/v1/subscriptions/${String(id)}/replays`,
      `/v1/events/${event}/deliveries`,
    ]) {
      const { status, body } = await hub.ask('GET', path + query);
      expect([path, status, body['code']]).toEqual([path, 400, 'invalid_parameter']);
      expect((await hub.ask('GET', path)).status).toBe(200);
    }
  });
});

test.each(['x', '00000000000', 'zzzzzzzzzz'])('an event %j has no trace', async (event) => {
  const hub = await openSubscriptionHub();
  const { status, body } = await hub.ask('GET', `/v1/events/${event}/deliveries`);
  expect([status, body['code']]).toEqual([400, 'invalid_cursor']);
});

test('the beginning of the log has no trace', async () => {
  const hub = await openSubscriptionHub();
  await hub.create({ channels: ['a'], delivery: { kind: 'pull' } });
  const event = await hub.publish('a', 1);
  const { status, body } = await hub.ask('GET', `/v1/events/${event.slice(0, -11)}00000000000/deliveries`);
  expect([status, body]).toEqual([200, { event: `${event.slice(0, -11)}00000000000`, deliveries: [] }]);
});
