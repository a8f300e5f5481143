import { describe, expect, test } from 'vitest';
import { openWebServer } from '../testing/test-servers.ts';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../testing/subscription-hub.ts';
import { nameServer } from './testing/name-server.ts';

interface Attempt {
  readonly outcome: string;
  readonly detail: string;
  readonly response: unknown;
}

async function attempts(hub: SubscriptionHub, id: unknown): Promise<readonly Attempt[]> {
  const { body } = await hub.ask('GET', `/v1/subscriptions/${String(id)}/attempts`);
  return body['attempts'] as readonly Attempt[];
}

function webhook(url: string, more: object = {}): object {
  return { channels: ['a.>'], delivery: { kind: 'webhook', url, ...more } };
}

describe('a hub with access control', () => {
  test.each([
    'http://127.0.0.1:9/',
    'https://10.0.0.1/',
    'http://[::ffff:169.254.169.254]/latest/meta-data',
    'https://localhost/',
    'http://2130706433/',
    'https://1.1.1.1:6379/',
    'https://a:b@hooks.example/',
    'file:///etc/passwd',
  ])('creates no subscription to %s, and stores nothing of it', async (url) => {
    const hub = await openSubscriptionHub({ access: 'rules' });
    const { status, body } = await hub.ask('POST', '/v1/subscriptions', webhook(url));
    expect([400, 422]).toContain(status);
    expect(['invalid_body', 'endpoint_refused']).toContain(body['code']);
    expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
  });

  test('resolves a name at each connection, and reports only a general error to its owner', async () => {
    const inside = await openEndpoint();
    const { port } = new URL(inside.url);
    const { address, queries: asked } = await nameServer((_name, kind) => (kind === 'A' ? ['127.0.0.1'] : []));
    const outgoing = { nameServers: [address], ports: [Number(port)] };
    const hub = await openSubscriptionHub({ access: 'rules', outgoing });
    const { id } = await hub.create(webhook(`http://rebind.example:${port}/`));
    await expect.poll(() => attempts(hub, id)).toHaveLength(1);
    const [attempt] = await attempts(hub, id);
    expect(attempt).toMatchObject({ outcome: 'destination', response: null });
    expect(asked).toContain('A rebind.example');
    expect(inside.received).toEqual([]);
  });

  test('sends to destinations that the operator allows, and does not show their answers', async () => {
    const inside = await openEndpoint((_received, response) => response.writeHead(500).end('the secret inside'));
    const { port } = new URL(inside.url);
    const outgoing = { allow: [`127.0.0.1:${port}`] };
    const trusted = { trustedEndpoints: [`http://127.0.0.1:${port}`] };
    const hub = await openSubscriptionHub({ access: 'rules', outgoing, subscriptions: trusted });
    const { id } = await hub.create(webhook(inside.url, { retryDelaysSeconds: [] }));
    await hub.publish('a.b', 1);
    await expect.poll(() => attempts(hub, id)).toHaveLength(1);
    expect(inside.received).toHaveLength(1);
    const letters = (): Promise<unknown> =>
      hub.ask('GET', `/v1/subscriptions/${String(id)}/dead-letters`).then(({ body }) => body['deadLetters']);
    await expect.poll(letters).toMatchObject([{ outcome: 'refused_status', detail: '' }]);
    const [attempt] = await attempts(hub, id);
    expect(attempt).toMatchObject({ outcome: 'refused_status', response: null });
    expect(JSON.stringify(attempt)).not.toContain('secret inside');
  });
});

describe('a hub for development', () => {
  test('delivers to this machine, and shows its answers', async () => {
    const own = await openEndpoint((_received, response) => response.end('thanks'));
    const hub = await openSubscriptionHub();
    const { id } = await hub.create(webhook(own.url));
    await hub.publish('a.b', 1);
    await expect.poll(() => attempts(hub, id)).toHaveLength(1);
    expect((await attempts(hub, id))[0]).toMatchObject({
      outcome: 'delivered',
      response: { status: 200, body: 'thanks' },
    });
  });

  test.each([301, 302, 303, 307, 308])('counts %d as a failure, and never follows it', async (status) => {
    const paths: (string | undefined)[] = [];
    const { url } = await openWebServer((request, response) => {
      request.resume();
      paths.push(request.url);
      if (request.url === '/hook') response.writeHead(status, { Location: '/elsewhere' }).end();
      else response.end();
    });
    const hub = await openSubscriptionHub();
    const { id } = await hub.create(webhook(`${url}/hook`));
    await hub.publish('a.b', 1);
    await expect.poll(() => attempts(hub, id)).toHaveLength(1);
    expect((await attempts(hub, id))[0]).toMatchObject({ outcome: 'redirected', response: { status } });
    expect(paths).toEqual(['/hook']);
  });
});
