import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hubForTest, type TestHub } from '../testing/hub.ts';
import { createReceiver, memorySeen, type Delivery, type PolycastEvent, type ReceiverOptions } from '../webhooks.ts';

/** Receives the requests of real hubs. */
const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

interface Site {
  readonly url: string;
  readonly events: PolycastEvent[];
  readonly deliveries: Delivery[];
}

async function startSite(options: Partial<ReceiverOptions> = {}, fails: () => boolean = () => false): Promise<Site> {
  const events: PolycastEvent[] = [];
  const deliveries: Delivery[] = [];
  const receiver = createReceiver({ secrets: SECRET, onError: () => undefined, ...options }, (event, delivery) => {
    events.push(event);
    deliveries.push(delivery);
    if (fails()) throw new Error('down');
  });
  const server = createServer(receiver.node).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  onTestFinished(() => server.closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, events, deliveries };
}

interface Made {
  readonly id: string;
  readonly delivery: { readonly secret?: string; readonly secrets: readonly { readonly publicKey?: string }[] };
}

async function post({ url }: TestHub, path: string, body: object): Promise<Made> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`${url}/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = (await response.json()) as Made;
  expect(response.ok, JSON.stringify(answer)).toBe(true);
  return answer;
}

function subscribe(hub: TestHub, url: string, more: object = {}): Promise<Made> {
  return post(hub, 'subscriptions', {
    channels: ['orders.*'],
    delivery: { kind: 'webhook', url, secret: SECRET, ...more },
  });
}

const FORMATS = ['event', 'data', 'cloudevents', 'cloudevents-binary'] as const;

describe('a receiver accepts a hub’s webhooks', () => {
  test.each(FORMATS)('in the format %s', async (format) => {
    const [hub, site] = [await hubForTest(), await startSite()];
    await subscribe(hub, site.url, { format });
    const ids = [await hub.publish('orders.1', { text: 'é', list: [1, 'x'] }), await hub.publish('orders.2', null)];
    await expect.poll(() => site.events.length).toBe(2);
    expect(site.events.toSorted((one, other) => (one.id < other.id ? -1 : 1))).toMatchObject([
      {
        id: ids[0],
        channel: 'orders.1',
        time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        data: { text: 'é', list: [1, 'x'] },
      },
      { id: ids[1], channel: 'orders.2', data: null },
    ]);
  });

  test.each(['event', 'cloudevents'] as const)('in batches of the format %s', async (format) => {
    const [hub, site] = [await hubForTest(), await startSite()];
    await subscribe(hub, site.url, { format, batch: { countMax: 3, waitMs: 50 } });
    for (const number of [1, 2, 3, 4]) await hub.publish('orders.1', number);
    await expect.poll(() => site.events.map(({ data }) => data)).toEqual([1, 2, 3, 4]);
    expect(site.deliveries[0]?.id).toMatch(/^batch_/);
  });

  test('signed with ed25519', async () => {
    const hub = await hubForTest();
    const events: unknown[] = [];
    let receive = createReceiver({ secrets: SECRET }, () => undefined);
    const server = createServer((request, response) => void receive.node(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const delivery = { kind: 'webhook', url, signature: 'ed25519' };
    const made = await post(hub, 'subscriptions', { channels: ['orders.*'], delivery });
    const publicKey = made.delivery.secrets[0]?.publicKey as string;
    expect(publicKey).toMatch(/^whpk_/);
    receive = createReceiver({ secrets: publicKey }, ({ data }) => events.push(data));
    await hub.publish('orders.1', 'signed');
    await expect.poll(() => events).toEqual(['signed']);
  });
});

test('during a rotation the old secret and the new one are both valid', async () => {
  const [hub, old] = [await hubForTest(), await startSite()];
  const { id } = await subscribe(hub, old.url);
  const { delivery } = await post(hub, `subscriptions/${id}/rotate-secret`, {});
  expect(delivery.secret).not.toBe(SECRET);
  await hub.publish('orders.1', 'of both');
  await expect.poll(() => old.events.length).toBe(1);
  const [{ headers, body }] = old.deliveries as [Delivery];
  const other = createReceiver({ secrets: ['whsec_AAAA', delivery.secret as string] }, (_event, { secretIndex }) => {
    expect(secretIndex).toBe(1);
  });
  const request = new Request('https://shop.example/', {
    method: 'POST',
    headers: headers as Record<string, string>,
    body: new Uint8Array(body),
  });
  expect((await other.fetch(request)).status).toBe(204);
});

test('a failed event is delivered again; with a memory, the handled events of its batch are not', async () => {
  const hub = await hubForTest();
  let failures = 1;
  const site: Site = await startSite({ seen: memorySeen() }, () => site.events.at(-1)?.data === 2 && failures-- > 0);
  await subscribe(hub, site.url, { batch: { countMax: 3, waitMs: 200 }, retryDelaysSeconds: [1] });
  for (const number of [1, 2, 3]) await hub.publish('orders.1', number);
  await expect.poll(() => site.events.map(({ data }) => data)).toEqual([1, 2, 2, 3]);
});
