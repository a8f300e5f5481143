import { describe, expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, waitUntil } from '../../testing/subscription-hub.ts';

const PULL = { channels: ['orders.>'], delivery: { kind: 'pull' } };

describe('secrets', () => {
  const webhook = (more: object = {}): object => ({
    channels: ['a'],
    delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/', ...more },
  });

  test('may be chosen by the subscriber', async () => {
    const hub = await openSubscriptionHub();
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    expect(await hub.create(webhook({ secret }))).toMatchObject({ delivery: { secret, secrets: [{ kind: 'hmac' }] } });
  });

  test('of ed25519 always include their public key', async () => {
    const hub = await openSubscriptionHub();
    const pair = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
    const given = await hub.create(webhook({ secret: pair }));
    const publicKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=';
    expect(given).toMatchObject({
      delivery: { secret: pair, secrets: [{ kind: 'ed25519', publicKey, expires: null }] },
    });
    const seed = `whsk_${Buffer.from(pair.slice(5), 'base64').subarray(0, 32).toString('base64')}`;
    expect(await hub.create(webhook({ secret: seed }))).toMatchObject({ delivery: { secret: pair } });
    const made = await hub.create(webhook({ signature: 'ed25519' }));
    expect(made).toMatchObject({
      delivery: { secret: expect.stringMatching(/^whsk_/), secrets: [{ publicKey: expect.stringMatching(/^whpk_/) }] },
    });
    const { body } = await hub.ask('GET', `/v1/subscriptions/${String(made['id'])}`);
    expect(JSON.stringify(body)).not.toContain('whsk_');
    expect(body).toMatchObject({ delivery: { secrets: (made['delivery'] as { secrets: unknown }).secrets } });
  });

  test('are rotated: both are valid during the overlap', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const { id } = await hub.create(webhook({ url: endpoint.url }));
    const path = `/v1/subscriptions/${String(id)}/rotate-secret`;
    const rotated = await hub.ask('POST', path, { overlapSeconds: 60 });
    expect(rotated.status).toBe(200);
    expect(rotated.body['delivery']).toMatchObject({
      secret: expect.stringMatching(/^whsec_/),
      secrets: [
        { kind: 'hmac', expires: null },
        { kind: 'hmac', expires: expect.any(String) },
      ],
    });
    expect(rotated.headers.get('etag')).toBe('"2"');
    await hub.publish('a', 1);
    await waitUntil(() => expect(endpoint.received).toHaveLength(1));
    expect(String(endpoint.received[0]?.headers['webhook-signature']).split(' ')).toHaveLength(2);
    const atOnce = await hub.ask('POST', path, { overlapSeconds: 0 });
    await hub.publish('a', 2);
    await waitUntil(() => expect(endpoint.received).toHaveLength(2));
    expect(atOnce.status).toBe(200);
    expect(String(endpoint.received[1]?.headers['webhook-signature']).split(' ')).toHaveLength(1);
  });

  test('exist for webhooks only', async () => {
    const hub = await openSubscriptionHub();
    const { id } = await hub.create(PULL);
    const { status, body } = await hub.ask('POST', `/v1/subscriptions/${String(id)}/rotate-secret`);
    expect([status, body['code'], body['state']]).toEqual([409, 'subscription_not_active', 'active']);
  });
});

describe('an endpoint that is not configured as trusted', () => {
  test('receives no events before it is verified', async () => {
    const hub = await openSubscriptionHub({ access: 'open', outgoing: { allow: ['127.0.0.1:9'] } });
    expect(
      await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/' } }),
    ).toMatchObject({
      state: 'pending',
      reason: 'created',
    });
  });

  test('is trusted if it is configured', async () => {
    const hub = await openSubscriptionHub({
      access: 'open',
      outgoing: { allow: ['127.0.0.1:9'] },
      subscriptions: { trustedEndpoints: ['http://127.0.0.1:9'] },
    });
    expect(
      await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/x' } }),
    ).toMatchObject({
      state: 'active',
    });
  });

  test("is verified when a webhook's URL changes to it, and not for other changes", async () => {
    const hub = await openSubscriptionHub({
      access: 'open',
      outgoing: { allow: ['127.0.0.1:9', '127.0.0.1:19'] },
      subscriptions: { trustedEndpoints: ['http://127.0.0.1:9'] },
    });
    const { id } = await hub.create({ channels: ['a'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/' } });
    const patch = async (delivery: object): Promise<unknown> =>
      (await hub.ask('PATCH', `/v1/subscriptions/${String(id)}`, { delivery })).body['state'];
    expect(await patch({ timeoutMs: 1000 })).toBe('active');
    expect(await patch({ url: 'http://127.0.0.1:9/elsewhere' })).toBe('active');
    expect(await patch({ url: 'http://127.0.0.1:19/' })).toBe('pending');
    const moved = await hub.ask('GET', `/v1/subscriptions/${String(id)}`);
    expect(moved.body).toMatchObject({ reason: 'moved', delivery: { url: 'http://127.0.0.1:19/' } });
    const refused = await hub.ask('PATCH', `/v1/subscriptions/${String(id)}`, {
      delivery: { url: 'http://10.0.0.1/' },
    });
    expect([refused.status, refused.body['code']]).toEqual([422, 'endpoint_refused']);
  });
});

test("keeps the WebSub subscriber's choices; the hub’s own settings may be changed", async () => {
  const hub = await openSubscriptionHub({
    publicUrl: 'http://hub.example',
    outgoing: { allow: ['127.0.0.1'] },
    defaults: { subscribe: ['anyone'] },
  });
  const callback = await openEndpoint(({ url }, response) =>
    response.end(new URL(url, 'http://hub.example').searchParams.get('hub.challenge') ?? ''),
  );
  const form = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.topic': 'http://hub.example/v1/channels/news',
    'hub.callback': callback.url,
  });
  expect((await fetch(`${hub.url}/v1/websub`, { method: 'POST', body: form })).status).toBe(202);
  const all = async (): Promise<readonly { readonly id: string }[]> =>
    (await hub.ask('GET', '/v1/subscriptions')).body['subscriptions'] as never;
  await waitUntil(async () => expect(await all()).toHaveLength(1));
  const path = `/v1/subscriptions/${(await all())[0]?.id}`;
  for (const [changes, member] of [
    [{ channels: ['other'] }, 'channels'],
    [{ filter: null }, 'filter'],
    [{ expires: null }, 'expires'],
    [{ delivery: { format: 'data' } }, 'delivery.format'],
    [{ delivery: { url: 'http://127.0.0.1:9/' } }, 'delivery.url'],
  ] as const)
    expect((await hub.ask('PATCH', path, changes)).body).toMatchObject({ code: 'invalid_body', member });
  const changed = await hub.ask('PATCH', path, { description: 'A reader', delivery: { timeoutMs: 1000 } });
  expect(changed.body).toMatchObject({ description: 'A reader', delivery: { dialect: 'websub', timeoutMs: 1000 } });
  expect((await hub.ask('POST', `${path}/rotate-secret`)).body['code']).toBe('subscription_not_active');
});
