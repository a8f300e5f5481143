import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createPublisher, PolycastError, signToken, type ServerPublisher, type TokenSigner } from '../server.ts';
import { startTestHub, type TestHub } from '../testing/hub.ts';

const SECRET = 'a secret of these tests, and of no others';
const PAIRS = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
};
const ISSUER = { issuer: 'https://shop.example', audience: 'hub' };

function pem(key: KeyObject): string {
  return key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string;
}

const keys = [
  { algorithm: 'HS256', secret: SECRET },
  ...(['RS256', 'ES256', 'EdDSA'] as const).map((algorithm) => ({
    algorithm,
    publicKey: pem(PAIRS[algorithm].publicKey),
  })),
];

let folder: string;
let hub: TestHub;
let publisher: ServerPublisher;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'polycast-server-'));
  const command = join(import.meta.dirname, '../../../server/src/cli/polycast.ts');
  const words = ['keys', 'create', 'shop', '--data', folder, '--publish', '>', '--json'];
  const { key } = JSON.parse(execFileSync(process.execPath, [command, ...words], { encoding: 'utf8' })) as {
    key: string;
  };
  hub = await startTestHub({
    data: folder,
    settings: [
      'access=rules',
      'rules=[{"pattern":"news","subscribe":"users"},{"pattern":"gold","subscribe":{"claim":"plan","value":"gold"}}]',
      `identity.tokens=${JSON.stringify([{ ...ISSUER, keys }])}`,
    ],
  });
  publisher = createPublisher(hub.url, { key });
});
afterAll(async () => {
  await hub.kill();
  rmSync(folder, { recursive: true });
});

async function read(token: string, channel: string): Promise<{ status: number; data: unknown[] }> {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${hub.url}/v1/events?channel=${channel}&after=earliest`, { headers });
  const { events = [] } = (await answer.json()) as { events?: { data: unknown }[] };
  return { status: answer.status, data: events.map(({ data }) => data) };
}

const SIGNERS: [string, TokenSigner][] = [
  ['a secret', { secret: SECRET }],
  ["a secret's bytes", { secret: Buffer.from(SECRET) }],
  ...Object.entries(PAIRS).flatMap(([name, { privateKey }]): [string, TokenSigner][] => [
    [`a key for ${name} in PEM`, { key: pem(privateKey) }],
    [`a JWK for ${name}`, { key: privateKey.export({ format: 'jwk' }) }],
    [`a KeyObject for ${name}`, { key: privateKey }],
  ]),
  ['an EC key in the older PEM', { key: PAIRS.ES256.privateKey.export({ type: 'sec1', format: 'pem' }) as string }],
];

describe('a token that is signed with', () => {
  test.each(SIGNERS)('%s is accepted by a hub and by another library', async (_with, signer) => {
    const token = signToken({ user: 'ann' }, { ...ISSUER, ...signer });
    expect((await read(token, 'news')).status).toBe(200);
    const { alg } = JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString()) as {
      alg: keyof typeof PAIRS | 'HS256';
    };
    const key = alg === 'HS256' ? Buffer.from(SECRET) : createPublicKey(PAIRS[alg].privateKey);
    const { payload } = await jwtVerify(token, key, ISSUER);
    expect(payload).toMatchObject({ sub: 'ann', jti: expect.stringMatching(/^[\w-]{22}$/) as string });
    expect((payload.exp as number) - (payload.iat as number)).toBe(3600);
  });

  test('a token with permissions reads only the channels that they allow', async () => {
    const signer = { ...ISSUER, secret: SECRET };
    const granted = signToken(
      { user: 'ann', subscribe: ['orders.*'], claims: { plan: 'gold', sub: 'mallory' } },
      signer,
    );
    expect((await read(granted, 'orders.7')).status).toBe(200);
    expect((await read(granted, 'gold')).status).toBe(200);
    expect((await read(granted, 'bills.7')).status).toBe(403);
    expect((await read(signToken({ user: 'ann' }, signer), 'gold')).status).toBe(403);
    expect((await read(signToken({ user: 'ann' }, { ...signer, audience: 'other' }), 'news')).status).toBe(401);
  });
});

test.each<[what: string, signer: TokenSigner, error: RegExp]>([
  ['nothing', {}, /either a secret or a private key/],
  ['both', { secret: SECRET, key: pem(PAIRS.ES256.privateKey) }, /either a secret or a private key/],
  ['a short secret', { secret: 'x' }, /1 bytes/],
  ['a public key', { key: PAIRS.ES256.publicKey }, /private key/],
  ['another curve', { key: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey }, /hubs accept/],
  ['a short RSA key', { key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey }, /hubs accept/],
  ['a time that is over', { secret: SECRET, expiresInSeconds: 0 }, /not a valid lifetime/],
])('a token is not signed with %s', (_what, signer, error) => {
  expect(() => signToken({ user: 'ann' }, signer)).toThrow(error);
});

describe('a backend publishes', () => {
  const signed = (user: string): string => signToken({ user }, { ...ISSUER, secret: SECRET });

  test('one event, and many, each with a result', async () => {
    const { id, channel } = await publisher.publish('news', { number: 1 }, { type: 'made' });
    expect(channel).toBe('news');
    const results = await publisher.publishMany([
      { channel: 'news', data: 2, ifMatch: id },
      { channel: 'no good', data: 3 },
      { channel: 'news', data: 4 },
    ]);
    expect(results).toEqual([
      expect.objectContaining({ channel: 'news' }),
      { error: expect.objectContaining({ code: 'invalid_channel' }) as object },
      expect.objectContaining({ channel: 'news' }),
    ]);
    expect(await read(signed('ann'), 'news')).toEqual({ status: 200, data: [{ number: 1 }, 2, 4] });
  });

  test('a private message to one user, and to several', async () => {
    await publisher.publishToUser('ann/é', 'only for you', { type: 'letter' });
    expect(await publisher.publishToUsers(['ann/é', 'bob'], 'for two')).toHaveLength(2);
    expect((await read(signed('ann/é'), '@me')).data).toEqual(['only for you', 'for two']);
    expect((await read(signed('bob'), '@me')).data).toEqual(['for two']);
    expect((await read(signed('eve'), '@me')).data).toEqual([]);
  });

  test('values without idempotency keys, if it is told so; a key of its own stays', async () => {
    const bodies: string[] = [];
    const values = createPublisher(hub.url, {
      idempotent: false,
      fetch(_url, init) {
        bodies.push(init?.body as string);
        return Promise.resolve(Response.json([]));
      },
    });
    await values.publishMany([{ channel: 'price', data: 1 }]);
    await values.publish('price', 2, { idempotencyKey: 'own' });
    expect(bodies.map((body) => JSON.parse(body))).toEqual([
      [{ channel: 'price', data: 1 }],
      { channel: 'price', data: 2, idempotencyKey: 'own' },
    ]);
  });

  test('once, under one key', async () => {
    const first = await publisher.publish('once', 1, { idempotencyKey: 'order-7' });
    expect(await publisher.publish('once', 1, { idempotencyKey: 'order-7' })).toEqual(first);
    await expect(publisher.publish('once', 2, { idempotencyKey: 'order-7' })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  test('nothing without a key, with the reason', async () => {
    const error = await createPublisher(hub.url)
      .publish('news', 1)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PolycastError);
    expect(error).toMatchObject({ code: 'unauthorized' });
  });

  test('once, through an outage of the hub', async () => {
    let refusals = 3;
    const bodies: string[] = [];
    const proxy = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      request.on('end', () => {
        bodies.push(body);
        if (refusals-- > 0) return void request.socket.destroy();
        void fetch(hub.url + request.url, {
          method: 'POST',
          headers: request.headers as Record<string, string>,
          body,
        }).then(async (answer) => response.writeHead(answer.status).end(await answer.text()));
      });
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    onTestFinished(() => void proxy.close());
    const throughProxy = createPublisher(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, {
      key: signToken({ user: 'server', publish: ['retried'] }, { ...ISSUER, secret: SECRET }),
    });
    expect(await throughProxy.publish('retried', 1)).toMatchObject({ channel: 'retried' });
    expect(new Set(bodies).size).toBe(1);
    expect(bodies).toHaveLength(4);
  });

  test('and gives up when no hub answers in time', async () => {
    await expect(createPublisher('http://127.0.0.1:8', { timeoutMs: 100 }).publish('a', 1)).rejects.toMatchObject({
      code: 'request_timeout',
    });
  });
});
