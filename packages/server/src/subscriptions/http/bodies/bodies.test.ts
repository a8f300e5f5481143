import { expect, test } from 'vitest';
import { openSubscriptionHub } from '../../../testing/subscription-hub.ts';

const URL = 'http://127.0.0.1:9/';
const PULL = { channels: ['a'], delivery: { kind: 'pull' } };

function webhook(more: object): object {
  return { channels: ['a'], delivery: { kind: 'webhook', url: URL, ...more } };
}

/** The error, its code, and the member or place in the error. */
const WRONG: readonly (readonly [name: string, body: unknown, code: string, at?: string])[] = [
  ['no JSON', '{', 'invalid_json'],
  ['half a text', '{"channels":["\ud800"]', 'invalid_json'],
  ['a list', [], 'invalid_body'],
  ['nothing', {}, 'invalid_body', 'channels'],
  ['no delivery', { channels: ['a'] }, 'invalid_body', 'delivery'],
  ['a member that is not known', { ...PULL, surprise: 1 }, 'invalid_body', 'surprise'],
  [
    'a member of Object.prototype',
    '{"channels":["a"],"delivery":{"kind":"pull"},"__proto__":{}}',
    'invalid_body',
    '__proto__',
  ],
  ['no channel', { ...PULL, channels: [] }, 'invalid_body', 'channels'],
  ['an invalid channel', { ...PULL, channels: ['a..b'] }, 'invalid_pattern'],
  ['a channel that is not a string', { ...PULL, channels: [1] }, 'invalid_body', 'channels'],
  ["the caller's own channel", { ...PULL, channels: ['@me'] }, 'invalid_pattern'],
  ['too many channels', { ...PULL, channels: Array.from({ length: 101 }, (_, n) => `a${n}`) }, 'too_many_channels'],
  ['no type', { ...PULL, types: [] }, 'invalid_body', 'types'],
  ['too many types', { ...PULL, types: Array.from({ length: 21 }, (_, n) => `t${n}`) }, 'invalid_body', 'types'],
  ['a type that is too long', { ...PULL, types: ['x'.repeat(201)] }, 'invalid_body', 'types'],
  ['an invalid filter', { ...PULL, filter: { matches: ['/data', 1] } }, 'invalid_filter', ''],
  ['a filter with a wrong place', { ...PULL, filter: { not: { present: 'data' } } }, 'invalid_filter', '/not/present'],
  ['an unknown order', { ...PULL, ordering: 'total' }, 'invalid_body', 'ordering'],
  ['no rate', { ...PULL, ratePerSecond: 0 }, 'invalid_body', 'ratePerSecond'],
  ['a fraction of a rate', { ...PULL, ratePerSecond: 0.5 }, 'invalid_body', 'ratePerSecond'],
  ['too high a concurrency', { ...PULL, concurrencyMax: 1001 }, 'invalid_body', 'concurrencyMax'],
  ['a description that is too long', { ...PULL, description: 'x'.repeat(501) }, 'invalid_body', 'description'],
  ['a description with half a character', { ...PULL, description: 'a\ud800' }, 'invalid_body', 'description'],
  ['metadata with half a character', { ...PULL, metadata: { a: '\udc00' } }, 'invalid_body', 'metadata'],
  ['a type with half a character', { ...PULL, types: ['\ud800b'] }, 'invalid_body', 'types'],
  [
    'metadata with a name that objects inherit',
    { ...PULL, metadata: JSON.parse('{"__proto__":"x"}') as object },
    'invalid_body',
    'metadata',
  ],
  ['metadata that is not an object', { ...PULL, metadata: [] }, 'invalid_body', 'metadata'],
  ['metadata of numbers', { ...PULL, metadata: { a: 1 } }, 'invalid_body', 'metadata'],
  ['metadata with an invalid name', { ...PULL, metadata: { 'a b': '1' } }, 'invalid_body', 'metadata'],
  [
    'too much metadata',
    { ...PULL, metadata: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`m${n}`, ''])) },
    'invalid_body',
    'metadata',
  ],
  ['an end in the past', { ...PULL, expires: '2020-01-01T00:00:00Z' }, 'invalid_body', 'expires'],
  ['an end that is not a time', { ...PULL, expires: 'tomorrow' }, 'invalid_body', 'expires'],
  ['a start that is not a cursor', { ...PULL, start: 'yesterday' }, 'invalid_cursor'],
  ['a start that is not a string', { ...PULL, start: 1 }, 'invalid_body', 'start'],
  ['a delivery that is not an object', { ...PULL, delivery: 'pull' }, 'invalid_body', 'delivery'],
  ['a delivery without its kind', { ...PULL, delivery: { url: URL } }, 'invalid_body', 'delivery.kind'],
  ['an unknown kind', { ...PULL, delivery: { kind: 'pigeon' } }, 'invalid_body', 'delivery.kind'],
  ['a pull with a URL', { ...PULL, delivery: { kind: 'pull', url: URL } }, 'invalid_body', 'delivery.url'],
  ['a lease of 0', { ...PULL, delivery: { kind: 'pull', leaseSeconds: 0 } }, 'invalid_body', 'delivery.leaseSeconds'],
  [
    'a lease of days',
    { ...PULL, delivery: { kind: 'pull', leaseSeconds: 86_401 } },
    'invalid_body',
    'delivery.leaseSeconds',
  ],
  [
    'no deliveries',
    { ...PULL, delivery: { kind: 'pull', deliveriesMax: 0 } },
    'invalid_body',
    'delivery.deliveriesMax',
  ],
  ['a webhook without a URL', { ...PULL, delivery: { kind: 'webhook' } }, 'invalid_body', 'delivery.url'],
  ['an invalid URL', webhook({ url: 'hook' }), 'invalid_body', 'delivery.url'],
  ['a URL of another scheme', webhook({ url: 'ftp://127.0.0.1/' }), 'invalid_body', 'delivery.url'],
  ['a URL with a user', webhook({ url: 'http://me@127.0.0.1:9/' }), 'invalid_body', 'delivery.url'],
  ['a URL with a fragment', webhook({ url: `${URL}#here` }), 'invalid_body', 'delivery.url'],
  ['a URL with a line break', webhook({ url: 'http://127.0.0.1:9/\r\nx' }), 'invalid_body', 'delivery.url'],
  ['a URL that is too long', webhook({ url: URL + 'x'.repeat(2048) }), 'invalid_body', 'delivery.url'],
  ['an address inside', webhook({ url: 'http://192.168.0.1/' }), 'endpoint_refused'],
  ['an address inside, in disguise', webhook({ url: 'http://0xa000001/' }), 'endpoint_refused'],
  ['an unknown dialect', webhook({ dialect: 'websub' }), 'invalid_body', 'delivery.dialect'],
  ['an unknown format', webhook({ format: 'xml' }), 'invalid_body', 'delivery.format'],
  ['invalid headers', webhook({ headers: ['a'] }), 'invalid_body', 'delivery.headers'],
  ['a header that the hub sets', webhook({ headers: { 'Content-Type': 'x' } }), 'invalid_body', 'delivery.headers'],
  ['a header of the signature', webhook({ headers: { 'webhook-id': 'x' } }), 'invalid_body', 'delivery.headers'],
  ['the header of the host', webhook({ headers: { HOST: 'x' } }), 'invalid_body', 'delivery.headers'],
  [
    'the header of the length',
    webhook({ headers: { 'transfer-encoding': 'chunked' } }),
    'invalid_body',
    'delivery.headers',
  ],
  ['a header twice', webhook({ headers: { A: 'x', a: 'y' } }), 'invalid_body', 'delivery.headers'],
  ['a header with a line break', webhook({ headers: { a: 'x\r\nhost: y' } }), 'invalid_body', 'delivery.headers'],
  ['a header with an invalid name', webhook({ headers: { 'a: b\r\nc': 'x' } }), 'invalid_body', 'delivery.headers'],
  [
    'a hidden header without a stored value',
    webhook({ headers: { authorization: '…' } }),
    'invalid_body',
    'delivery.headers',
  ],
  ['a batch of 0', webhook({ batch: { countMax: 0 } }), 'invalid_body', 'delivery.batch.countMax'],
  ['a batch without a count', webhook({ batch: { waitMs: 1 } }), 'invalid_body', 'delivery.batch.countMax'],
  ['a time-out that is too long', webhook({ timeoutMs: 60_001 }), 'invalid_body', 'delivery.timeoutMs'],
  ['invalid retries', webhook({ retryDelaysSeconds: [0] }), 'invalid_body', 'delivery.retryDelaysSeconds'],
  [
    'too many retries',
    webhook({ retryDelaysSeconds: Array.from({ length: 31 }, () => 1) }),
    'invalid_body',
    'delivery.retryDelaysSeconds',
  ],
  ['an invalid secret', webhook({ secret: 'mine' }), 'invalid_body', 'delivery.secret'],
  ['a secret that is too short', webhook({ secret: 'whsec_c2hvcnQ=' }), 'invalid_body', 'delivery.secret'],
  [
    'an incomplete key pair',
    webhook({ secret: `whsk_${Buffer.alloc(64, 7).toString('base64')}` }),
    'invalid_body',
    'delivery.secret',
  ],
  ['an unknown signature scheme', webhook({ signature: 'rsa' }), 'invalid_body', 'delivery.signature'],
];

test.each(WRONG)('to create with %s is refused, and nothing is stored', async (_name, body, code, at) => {
  const hub = await openSubscriptionHub();
  const refused = await hub.ask('POST', '/v1/subscriptions', body);
  expect([refused.body['code'], refused.body['member'] ?? refused.body['at']]).toEqual([code, at]);
  expect(refused.status).toBe(code === 'endpoint_refused' ? 422 : 400);
  expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
});

test.each(
  WRONG.filter(([name]) => !/^(?:nothing|no delivery|a list|a delivery without|a webhook without|a start)/.test(name)),
)('to change with %s is refused, and nothing is changed', async (_name, body, code, at) => {
  const hub = await openSubscriptionHub();
  const isPull = (body as { delivery?: { kind?: string } }).delivery?.kind !== 'webhook';
  const { id } = await hub.create(isPull ? PULL : webhook({}));
  const path = `/v1/subscriptions/${String(id)}`;
  const before = await hub.ask('GET', path);
  const refused = await hub.ask('PATCH', path, body);
  // A change cannot set the secret, which has to be rotated, nor the kind and the dialect.
  const isOther = at === 'delivery.signature' || at === 'delivery.secret';
  expect([refused.body['code'], isOther ? at : (refused.body['member'] ?? refused.body['at'])]).toEqual([code, at]);
  const after = await hub.ask('GET', path);
  expect([after.body, after.headers.get('etag')]).toEqual([before.body, '"1"']);
});

test.each<[name: string, changes: object, member: string]>([
  ['nothing', {}, 'channels'],
  ['where it begins', { start: 'now' }, 'start'],
  ['its state', { state: 'paused' }, 'state'],
  ['its kind', { delivery: { kind: 'webhook' } }, 'delivery.kind'],
])('to change %s is refused', async (_name, changes, member) => {
  const hub = await openSubscriptionHub();
  const { id } = await hub.create(PULL);
  const { status, body } = await hub.ask('PATCH', `/v1/subscriptions/${String(id)}`, changes);
  expect([status, body['code'], body['member']]).toEqual([400, 'invalid_body', member]);
});

test('a body of another type, or too large, is refused', async () => {
  const hub = await openSubscriptionHub();
  const form = await hub.ask('POST', '/v1/subscriptions', 'channels=a', { 'content-type': 'text/plain' });
  expect([form.status, form.body['code']]).toEqual([415, 'unsupported_media_type']);
  const large = await hub.ask('POST', '/v1/subscriptions', { ...PULL, description: 'x'.repeat(70_000) });
  expect([large.status, large.body['code']]).toEqual([413, 'body_too_large']);
  const key = await hub.ask('POST', '/v1/subscriptions', PULL, { 'idempotency-key': 'x'.repeat(256) });
  expect([key.status, key.body['code']]).toEqual([400, 'invalid_header']);
  expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
});
