import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createReceiver } from '@polycast/client/webhooks';
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import { openLab } from '../../packages/console/browser/lab-page.ts';
import { within } from '../kit/wait.ts';
import { polycast, startDevHub, type DevHub, type Installation } from './installation.ts';

/**
 * The first steps of a new user with an installation of any form. They are: start a hub, publish,
 * read over four transports, receive a signed webhook, open the Lab, stop.
 */
export async function takeFirstSteps(
  installation: Installation,
  browser: Browser,
  more: (hub: DevHub) => Promise<void> = async () => undefined,
): Promise<void> {
  const hub = await startDevHub(installation);
  await readOverFourTransports(installation, hub);
  await receiveWebhook(installation, hub);
  await more(hub);
  const lab = await openLab(browser, hub.url);
  expect(lab.errors).toEqual([]);
  await lab.page.close();
  await hub.interrupt();
  await expect(fetch(`${hub.url}/readyz`)).rejects.toThrow('fetch failed');
}

interface Received {
  readonly data: unknown;
}

async function readOverFourTransports(installation: Installation, { url }: DevHub): Promise<void> {
  const events = `${url}/v1/events?channel=orders.>`;
  const { cursor } = await poll(`${events}&after=now`);
  const long = poll(`${events}&after=${cursor}&wait=30`);
  const stream = await openEventStream(events);
  const socket = await openSocket(events);
  await polycast(installation, 'publish', 'orders.42', '{"state":"baked"}', '--url', url);
  const event = expect.objectContaining({ channel: 'orders.42', data: { state: 'baked' } }) as unknown;
  expect(await within('the WebSocket', socket())).toEqual(event);
  expect(await within('the event stream', stream())).toEqual(event);
  expect((await within('the long poll', long)).events).toEqual([event]);
  expect((await poll(`${events}&after=earliest`)).events).toEqual([event]);
}

async function poll(address: string): Promise<{ readonly events: readonly Received[]; readonly cursor: string }> {
  const response = await fetch(address, { headers: { Accept: 'application/json' } });
  return (await response.json()) as { events: Received[]; cursor: string };
}

/** Opens a stream that the hub has confirmed. The returned function reads the first event. */
async function openEventStream(address: string): Promise<() => Promise<unknown>> {
  const { body } = await fetch(address, { headers: { Accept: 'text/event-stream' } });
  const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  async function until(pattern: RegExp): Promise<string> {
    for (let found = pattern.exec(text); ; found = pattern.exec(text)) {
      if (found !== null) {
        text = text.slice(found.index + found[0].length);
        return found[1] ?? '';
      }
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  }
  await until(/event: polycast\.ready\n[^]*?\n\n/);
  return async () => {
    const data = await until(/id: \S+\ndata: (.*)\n\n/);
    await reader.cancel();
    return JSON.parse(data) as unknown;
  };
}

/** Opens a socket that the hub has confirmed. The returned function waits for the first event. */
async function openSocket(address: string): Promise<() => Promise<unknown>> {
  const socket = new WebSocket(address.replace('http', 'ws'), 'polycast.v1');
  const ready = Promise.withResolvers<void>();
  const event = Promise.withResolvers<unknown>();
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as { readonly op?: string };
    if (message.op === 'ready') ready.resolve();
    else if (message.op === undefined) event.resolve(message);
  });
  await within('the WebSocket to open', ready.promise);
  return () => event.promise.finally(() => socket.close());
}

/** The receiver refuses a request without a valid signature, so a received event was verified. */
async function receiveWebhook(installation: Installation, { url }: DevHub): Promise<void> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const received = Promise.withResolvers<unknown>();
  const { node } = createReceiver({ secrets: secret }, ({ channel, data }) => received.resolve({ channel, data }));
  const endpoint = createServer(node).listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  const { port } = endpoint.address() as AddressInfo;
  try {
    await subscribeWebhook(installation, url, { channel: 'paid.>', port, secret });
    await polycast(installation, 'publish', 'paid.42', '{"amount":7}', '--url', url);
    expect(await within('the webhook', received.promise)).toEqual({ channel: 'paid.42', data: { amount: 7 } });
  } finally {
    endpoint.close();
    endpoint.closeAllConnections();
  }
}

export async function subscribeWebhook(
  installation: Installation,
  url: string,
  { channel, port, secret }: { readonly channel: string; readonly port: number; readonly secret: string },
): Promise<void> {
  const endpoint = `http://127.0.0.1:${port}/`;
  const options = ['--webhook', endpoint, '--secret', secret, '--url', url];
  await polycast(installation, 'subscriptions', 'create', channel, ...options);
}
