import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../config/parse.ts';
import { INGEST_PROVIDERS, type IngestProvider } from '../core/ingest-settings.ts';
import { openHub, type Hub } from '../hub.ts';
import { KEY_LIFETIME_MS } from '../storage/shared/log-limits.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { TEST_PROVIDERS, type ProviderRequest } from './testing.ts';

const SOURCES = INGEST_PROVIDERS.map((provider) => ({
  source: provider,
  provider,
  channel: `ingested.${provider}`,
  keys: [{ secret: TEST_PROVIDERS[provider].secret }],
}));

async function startHub(settings: object = {}): Promise<Hub> {
  const config = parseConfig({
    listen: '127.0.0.1:0',
    data: ':memory:',
    ingest: SOURCES,
    rules: [{ pattern: 'ingested.>', subscribe: ['anyone'], history: ['anyone'] }],
    logging: { level: 'silent' },
    ...settings,
  });
  const hub = await openHub(config, { loadConfig: async () => parseConfig({ ...config, ...reloaded }) });
  onTestFinished(() => hub.close());
  return hub;
}

let reloaded: object = {};

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly id?: string;
  readonly duplicate?: boolean;
}

async function deliver(hub: Hub, source: string, { body, headers }: ProviderRequest): Promise<Answer> {
  const response = await fetch(`${hub.url}/v1/ingest/${source}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
  return { status: response.status, ...((await response.json()) as object) };
}

function signed(provider: IngestProvider, id: string, ageSeconds = 0): Promise<ProviderRequest> {
  return TEST_PROVIDERS[provider].sign(id, Math.floor(Date.now() / 1000) - ageSeconds);
}

/** The events of a channel, as JSON text. */
async function eventsOf(hub: Hub, channel: string): Promise<readonly string[]> {
  const response = await fetch(`${hub.url}/v1/channels/${channel}/history`);
  return (await response.text()).match(/\{"id":"[^}]*\}+/g) ?? [];
}

test.each(INGEST_PROVIDERS)(
  "%s: a delivery becomes an event with the provider's own JSON and type",
  async (provider) => {
    const hub = await startHub();
    const request = await signed(provider, 'first');
    expect(await deliver(hub, provider, request)).toMatchObject({ status: 201, channel: `ingested.${provider}` });
    const [event = ''] = await eventsOf(hub, `ingested.${provider}`);
    expect(event).toContain(`"type":"${TEST_PROVIDERS[provider].type}"`);
    // Number for number: JSON.parse would change the id of Shopify's order.
    const lines = request.body.split('\n').map((line) => line.trim());
    expect(event.replaceAll(/\s/g, '')).toContain(`"data":${lines.join('')}`.replaceAll(/\s/g, ''));
  },
);

test('a delivery is published once: again, with another body, and after a restart', async () => {
  const data = temporaryFolder();
  const hub = await startHub({ data });
  const request = await signed('github', 'one');
  expect(await deliver(hub, 'github', request)).toMatchObject({ status: 201 });
  expect(await deliver(hub, 'github', request)).toEqual({ status: 200, duplicate: true });
  const stripe = await signed('stripe', 'evt_1');
  expect((await deliver(hub, 'stripe', stripe)).status).toBe(201);
  // A second attempt of Stripe is signed later.
  const later = await TEST_PROVIDERS.stripe.sign('evt_1', Math.floor(Date.now() / 1000) + 5);
  expect(await deliver(hub, 'stripe', later)).toEqual({ status: 200, duplicate: true });
  await hub.close();
  const next = await startHub({ data });
  expect(await deliver(next, 'github', request)).toEqual({ status: 200, duplicate: true });
  // The id of another source is another id.
  expect((await deliver(next, 'shopify', await signed('shopify', 'one'))).status).toBe(201);
  expect(await eventsOf(next, 'ingested.github')).toHaveLength(1);
});

test('a delivery again with another body is answered as a duplicate, not refused', async () => {
  const hub = await startHub({ ingest: [{ ...SOURCES[1], source: 'github' }] });
  const first = await signed('github', 'same');
  expect((await deliver(hub, 'github', first)).status).toBe(201);
  const { sign } = await import('@octokit/webhooks-methods');
  const body = '{"action":"closed"}';
  const signature = await sign(TEST_PROVIDERS.github.secret, body);
  const other = { body, headers: { ...first.headers, 'X-Hub-Signature-256': signature } };
  expect(await deliver(hub, 'github', other)).toEqual({ status: 200, duplicate: true });
});

test('a delivery that another source has signed is refused, and nothing is published', async () => {
  const hub = await startHub({
    ingest: [
      ...SOURCES,
      { source: 'other', provider: 'github', channel: 'ingested.other', keys: [{ secret: 'x'.repeat(16) }] },
    ],
  });
  const request = await signed('github', 'one');
  expect(await deliver(hub, 'other', request)).toMatchObject({ status: 403, code: 'signature_invalid' });
  expect(await deliver(hub, 'github', { ...request, body: `${request.body} ` })).toMatchObject({
    code: 'signature_invalid',
  });
  expect(await deliver(hub, 'shopify', request)).toMatchObject({ status: 400, code: 'signature_missing' });
  expect(await deliver(hub, 'nobody', request)).toMatchObject({ status: 404, code: 'not_found' });
  expect(await eventsOf(hub, 'ingested.other')).toEqual([]);
  expect(await eventsOf(hub, 'ingested.github')).toEqual([]);
});

test.each(['stripe', 'standard'] as const)(
  'a signed time outside of the tolerance is refused, before the body is read: %s',
  async (provider) => {
    const hub = await startHub();
    for (const ageSeconds of [310, -310])
      expect(await deliver(hub, provider, await signed(provider, `at ${ageSeconds}`, ageSeconds))).toMatchObject({
        status: 403,
        code: 'signature_expired',
        limit: 300,
      });
    expect((await deliver(hub, provider, await signed(provider, 'in time', 290))).status).toBe(201);
    const { headers } = await signed(provider, 'never sent', 310);
    const head = Object.entries({ ...headers, 'Content-Length': '1000', 'Content-Type': 'application/json' });
    expect(await answerToHead(hub, provider, head)).toMatch(/^HTTP\/1\.1 403 /);
  },
);

/** The answer to a request whose body never comes. */
function answerToHead(hub: Hub, source: string, head: readonly (readonly [string, string])[]): Promise<string> {
  const { port, host } = new URL(hub.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      const lines = [['Host', host], ...head].map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST /v1/ingest/${source} HTTP/1.1\r\n${lines.join('')}\r\n`);
    });
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}

describe('a signed delivery is refused', () => {
  test('without an id, of another media type, without JSON, or beyond the limits', async () => {
    const hub = await startHub({ defaults: { eventBytesMax: 1024 }, limits: { bodyBytesMax: 4096 } });
    const { sign } = await import('@octokit/webhooks-methods');
    const send = async (body: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> => {
      const signature = await sign(TEST_PROVIDERS.github.secret, body);
      return deliver(hub, 'github', { body, headers: { 'X-Hub-Signature-256': signature, ...headers } });
    };
    const id = { 'X-GitHub-Delivery': 'an id' };
    expect(await send('{}')).toMatchObject({ status: 400, code: 'invalid_header', header: 'x-github-delivery' });
    expect(await send('{}', { 'X-GitHub-Delivery': 'x'.repeat(256) })).toMatchObject({ code: 'invalid_header' });
    const form = { ...id, 'Content-Type': 'application/x-www-form-urlencoded' };
    expect(await send('payload=%7B%7D', form)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(await send('{', id)).toMatchObject({ status: 400, code: 'invalid_json' });
    expect(await send(`{}${' '.repeat(5000)}`, id)).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(await send(JSON.stringify('x'.repeat(2000)), id)).toMatchObject({ status: 413, code: 'event_too_large' });
    expect(await send('[1]', id)).toMatchObject({ status: 201 });
    expect(await deliver(hub, 'stripe', stripeWithout(await signed('stripe', 'x')))).toMatchObject({
      code: 'signature_invalid',
    });
  });
});

function stripeWithout({ headers }: ProviderRequest): ProviderRequest {
  return { body: '{"object":"event"}', headers };
}

test('a reload replaces the keys: a request with both is accepted in between', async () => {
  const hub = await startHub();
  const admin = { Authorization: `Bearer ${hub.firstKey ?? ''}` };
  const [oldKey, newKey] = [{ secret: TEST_PROVIDERS.github.secret }, { secret: 'the next secret of GitHub' }];
  const { sign } = await import('@octokit/webhooks-methods');
  const send = async (secret: string, id: string): Promise<number> => {
    const headers = { 'X-GitHub-Delivery': id, 'X-Hub-Signature-256': await sign(secret, '{}') };
    return (await deliver(hub, 'github', { body: '{}', headers })).status;
  };
  const outcomes: (readonly number[])[] = [];
  for (const keys of [[oldKey], [oldKey, newKey], [newKey]]) {
    reloaded = { ingest: [{ ...SOURCES[1], keys }] };
    expect((await fetch(`${hub.url}/v1/reload`, { method: 'POST', headers: admin })).status).toBe(200);
    const attempt = String(outcomes.length);
    outcomes.push([await send(oldKey.secret, `old ${attempt}`), await send(newKey.secret, `new ${attempt}`)]);
  }
  expect(outcomes).toEqual([
    [201, 403],
    [201, 201],
    [403, 201],
  ]);
});

test.each([
  [{ keys: [{ secretEnvironment: 'NOT_SET' }] }, 'ingest.0.keys.0.secretEnvironment'],
  [{ keys: [{ secret: 'too short' }] }, 'ingest.0.keys.0.secret'],
  [{ provider: 'standard', keys: [{ secret: 'whsec_not in base64' }] }, 'ingest.0.keys.0.secret'],
  [{ keys: [] }, 'ingest.0.keys'],
  [{ channel: 'polycast.users' }, 'ingest.0.channel'],
  [{ channel: 'a.*' }, 'ingest.0.channel'],
  [{ source: 'a/b' }, 'ingest.0.source'],
  // Its id would be forgotten while its signature is tolerated.
  [{ toleranceSeconds: KEY_LIFETIME_MS / 1000 }, 'ingest.0.toleranceSeconds'],
])('a source with %o is refused at the start', async (more, path) => {
  await expect(startHub({ ingest: [{ ...SOURCES[1], ...more }] })).rejects.toThrow(
    expect.toSatisfy((error: { path?: string; message: string }) => `${error.path} ${error.message}`.includes(path)),
  );
});
