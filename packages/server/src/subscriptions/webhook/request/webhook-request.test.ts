import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test } from 'vitest';
import type { StoredRecord } from '../../../core/ports.ts';
import type { WebhookDelivery } from '../../state/definition.ts';
import { createSender } from '../../../outgoing/sender.ts';
import { openWebServer } from '../../../testing/test-servers.ts';
import { DIALECTS } from '../../dialects/registry.ts';
import { webhookRequest } from './webhook-request.ts';

const EPOCH = '0abcdefghj';
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const OLD = `whsec_${randomBytes(24).toString('base64')}`;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a delivery and returns the request that the endpoint received. */
async function deliver(options: Partial<WebhookDelivery>, ...contents: string[]): Promise<Received> {
  const got = Promise.withResolvers<Received>();
  const { url } = await openWebServer((request, response) => {
    void request.toArray().then((pieces: Buffer[]) => {
      got.resolve({ headers: request.headers, body: Buffer.concat(pieces) });
      response.writeHead(204).end();
    });
  });
  const sender = createSender({
    allow: [],
    deny: [],
    ports: [443],
    httpsOnly: false,
    loopback: true,
    nameServers: [],
    proxy: null,
    proxyConnectTo: 'address',
    connectionsMax: 10,
    connectionsPerHostMax: 10,
    userAgent: 'Polycast/test',
    onClientError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => sender.close());
  const delivery: WebhookDelivery = {
    kind: 'webhook',
    url,
    dialect: 'standard',
    format: 'event',
    headers: {},
    batch: undefined,
    timeoutMs: 5000,
    retryDelaysMs: [],
    secrets: [{ text: SECRET, endsMs: undefined }],
    ...options,
  };
  const records = contents.map((content, index): StoredRecord => {
    const body = Buffer.from(`"channel":"a","time":"2026-01-01T00:00:00.000Z",${content}}`);
    return { position: index + 1, channel: 'a', type: undefined, timeMs: 0, body };
  });
  const { answer } = await sender.send(
    webhookRequest(DIALECTS.get(delivery.dialect), delivery, records, EPOCH, Date.now()),
  );
  expect(answer?.status).toBe(204);
  return got.promise;
}

function verified({ headers, body }: Received, secret: string): unknown {
  return new Webhook(secret).verify(body, headers as Record<string, string>);
}

test('a request over a socket is accepted by the package standardwebhooks', async () => {
  const received = await deliver({}, '"data":{"é":"\\u00e9 €","n":1.10}');
  expect(verified(received, SECRET)).toMatchObject({ id: `${EPOCH}-00000000001`, data: { é: 'é €', n: 1.1 } });
  expect(received.headers['content-type']).toBe('application/json');
  expect(() => verified({ ...received, body: Buffer.concat([received.body, Buffer.from(' ')]) }, SECRET)).toThrow(
    /No matching signature/,
  );
  expect(() => verified(received, OLD)).toThrow(/No matching signature/);
});

test('requests in each format, and batches, are accepted as well', async () => {
  for (const format of ['event', 'data', 'cloudevents', 'cloudevents-binary'] as const)
    verified(await deliver({ format }, '"data":{"a":1}'), SECRET);
  const batch = { countMax: 10, waitMs: 0 };
  expect(verified(await deliver({ format: 'data', batch }, '"data":1', '"data":"b"'), SECRET)).toEqual([1, 'b']);
});

test('during a rotation either secret verifies a request', async () => {
  const secrets = [
    { text: SECRET, endsMs: undefined },
    { text: OLD, endsMs: Date.now() + 60_000 },
  ];
  const received = await deliver({ secrets }, '"data":1');
  verified(received, SECRET);
  verified(received, OLD);
  expect(() => verified(received, `whsec_${randomBytes(32).toString('base64')}`)).toThrow(/No matching signature/);
});

test('an asymmetric key verifies without a secret', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  const secrets = [{ text: `whsk_${seed.toString('base64')}`, endsMs: undefined }];
  const { headers, body } = await deliver({ secrets }, '"data":1');
  const [scheme, signature = ''] = String(headers['webhook-signature']).split(',');
  const message = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body.toString()}`;
  expect(scheme).toBe('v1a');
  expect(verify(null, Buffer.from(message), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
});

test("the subscriber's headers are sent, and cannot override the headers of webhooks", async () => {
  const { headers } = await deliver({ headers: { authorization: 'Bearer x', 'webhook-id': 'mine' } }, '"data":1');
  expect(headers).toMatchObject({ authorization: 'Bearer x', 'webhook-id': `${EPOCH}-00000000001` });
});

test('WebSub has its own signature, and none without a secret', async () => {
  const content = '"datacontenttype":"text/html; charset=utf-8","data":"<p>é</p>"';
  const own = { dialect: 'websub', format: 'data', headers: { link: '<https://h.example>; rel="hub"' } } as const;
  const { headers, body } = await deliver({ ...own, secrets: [{ text: 'sha256=s', endsMs: undefined }] }, content);
  expect(body.toString()).toBe('<p>é</p>');
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    link: '<https://h.example>; rel="hub"',
    'x-hub-signature': 'sha256=afd3fef0c596aba18669c1ccf9ac3891f73c4742b189270ea4f4be1c47cf2bfe',
  });
  expect(await deliver({ ...own, secrets: [] }, content)).not.toHaveProperty('headers.x-hub-signature');
});
