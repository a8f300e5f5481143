import { describe, expect, test } from 'vitest';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../testing/subscription-hub.ts';
import { nameServer } from './testing/name-server.ts';
import { proxyTo } from './testing/proxy.ts';

/** A hub with a name server that returns these addresses for all names. */
async function hubWith(outgoing: object, addresses: readonly string[] = ['1.1.1.1']): Promise<SubscriptionHub> {
  const names = await nameServer((_name, kind) => (kind === 'A' ? addresses : []));
  return openSubscriptionHub({
    access: 'rules',
    outgoing: { nameServers: [names.address], ...outgoing },
    subscriptions: { trustedEndpoints: ['*'] },
  });
}

function webhook(url: string): object {
  return { channels: ['a'], delivery: { kind: 'webhook', url, format: 'data' } };
}

/** The outcome of the first attempt to deliver an event to this URL. */
async function outcomeOf(hub: SubscriptionHub, url: string): Promise<unknown> {
  const { id } = await hub.create(webhook(url));
  await hub.publish('a', 'hello');
  const attempts = async (): Promise<readonly { readonly outcome: string }[]> => {
    const { body } = await hub.ask('GET', `/v1/subscriptions/${String(id)}/attempts`);
    return body['attempts'] as readonly { readonly outcome: string }[];
  };
  await expect.poll(attempts).toHaveLength(1);
  return (await attempts())[0]?.outcome;
}

/** The subscription is refused at its creation, and none is stored. */
async function expectRefused(hub: SubscriptionHub, url: string, category: string): Promise<void> {
  const { status, body } = await hub.ask('POST', '/v1/subscriptions', webhook(url));
  expect([status, body['code'], body['category']]).toEqual([422, 'endpoint_refused', category]);
  expect((await hub.ask('GET', '/v1/subscriptions')).body['subscriptions']).toEqual([]);
}

describe('outgoing.proxy', () => {
  test.each([
    ['is asked for the address that was looked up', {}, '1.1.1.1:80'],
    ['is asked for the name, with proxyConnectTo', { proxyConnectTo: 'name' }, 'hooks.example:80'],
  ])('%s', async (_how, more, authority) => {
    const endpoint = await openEndpoint();
    const { proxy, asked } = await proxyTo(Number(new URL(endpoint.url).port));
    const hub = await hubWith({ proxy: proxy.replace('//', '//me:secret@'), ...more });
    expect(await outcomeOf(hub, 'http://hooks.example/hook?a=b')).toBe('delivered');
    const credentials = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(asked).toEqual([{ authority, credentials }]);
    expect(endpoint.received.map(({ url, body }) => [url, body])).toEqual([['/hook?a=b', '"hello"']]);
    expect(endpoint.received[0]?.headers['host']).toBe('hooks.example');
    expect(endpoint.received[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  test('is not used for private destinations', async () => {
    const { proxy, asked } = await proxyTo(1);
    const hub = await hubWith({ proxy }, ['1.1.1.1', '10.0.0.1']);
    expect(await outcomeOf(hub, 'http://hooks.example/')).toBe('destination');
    expect(asked).toEqual([]);
  });
});

describe('outgoing.deny', () => {
  test.each([
    ['a name', 'hooks.example', 'http://hooks.example/'],
    ['names below one', '*.example', 'https://hooks.example/'],
    ['an address', '1.1.1.0/24', 'https://1.1.1.1/'],
    ['a port', 'hooks.example:8443', 'https://hooks.example:8443/'],
  ])('refuses %s as a URL', async (_what, denied, url) => {
    await expectRefused(await hubWith({ deny: [denied] }), url, 'destination');
  });

  test('refuses the address that a name resolves to', async () => {
    const { proxy, asked } = await proxyTo(1);
    const hub = await hubWith({ proxy, deny: ['1.1.1.0/24'] });
    expect(await outcomeOf(hub, 'http://hooks.example/')).toBe('destination');
    expect(asked).toEqual([]);
  });

  test('overrides the allow list', async () => {
    const { port } = new URL((await openEndpoint()).url);
    const hub = await hubWith({ allow: [`127.0.0.1:${port}`], deny: ['127.0.0.0/8'] });
    await expectRefused(hub, `http://127.0.0.1:${port}/`, 'destination');
  });

  test("overrides development's loopback", async () => {
    const { url } = await openEndpoint();
    const hub = await openSubscriptionHub({ outgoing: { deny: ['127.0.0.1'] } });
    await expectRefused(hub, url, 'destination');
  });
});

describe('outgoing.httpsOnly', () => {
  test('refuses http, except to hosts in the allow list by name', async () => {
    const endpoint = await openEndpoint();
    const { port } = new URL(endpoint.url);
    const hub = await hubWith({ httpsOnly: true, allow: [`127.0.0.1:${port}`] });
    await expectRefused(hub, 'http://hooks.example/', 'url');
    await expectRefused(hub, 'http://1.1.1.1/', 'url');
    expect(await outcomeOf(hub, endpoint.url)).toBe('delivered');
  });

  test('requires https, and is off by default', async () => {
    const strict = await hubWith({ httpsOnly: true, proxy: 'http://127.0.0.1:1' });
    expect(await strict.create(webhook('https://hooks.example/'))).toMatchObject({ state: 'active' });
    const lax = await hubWith({ proxy: 'http://127.0.0.1:1' });
    expect(await lax.create(webhook('http://hooks.example/'))).toMatchObject({ state: 'active' });
  });
});
