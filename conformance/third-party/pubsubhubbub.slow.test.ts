import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Feed } from 'pubsubhubbub';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';

let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

test('subscribes, receives events, and unsubscribes', async () => {
  const { subscriber, topic, websub } = await start('feeds.plain');
  const subscribed = once(subscriber, 'subscribe');
  const startSeconds = Math.floor(Date.now() / 1000);
  await promisified((done) => subscriber.subscribe(topic, websub, done));
  const [{ topic: confirmed, lease }] = (await subscribed) as [{ topic: string; lease: number }];
  expect(confirmed).toBe(topic);
  expect(lease - startSeconds).toBeGreaterThanOrEqual(3600);
  const fed = once(subscriber, 'feed');
  await kept(topic);
  await publish('feeds.plain', '<feed>ü</feed>');
  const [{ feed, headers, topic: of }] = (await fed) as [Feed];
  expect([of, feed.toString(), headers['content-type']]).toEqual([
    topic,
    '<feed>ü</feed>',
    'application/atom+xml; charset=utf-8',
  ]);
  expect(headers).not.toHaveProperty('x-hub-signature');
  const unsubscribed = once(subscriber, 'unsubscribe');
  await promisified((done) => subscriber.unsubscribe(topic, websub, done));
  await unsubscribed;
});

test('accepts the signature', async () => {
  const { subscriber, topic, websub } = await start('feeds.signed', 'a secret');
  const subscribed = once(subscriber, 'subscribe');
  await promisified((done) => subscriber.subscribe(topic, websub, done));
  await subscribed;
  await kept(topic);
  // It derives a secret for each hub from the topic and the configured secret.
  subscriber.secret = createHmac('sha1', 'a secret').update(topic).digest('hex');
  const fed = once(subscriber, 'feed');
  await publish('feeds.signed', '<feed/>');
  const [{ feed, headers }] = (await fed) as [Feed];
  expect(feed.toString()).toBe('<feed/>');
  expect(headers['x-hub-signature']).toMatch(/^sha1=/);
});

async function start(channel: string, secret?: string) {
  const subscriber = createServer({ callbackUrl: '', leaseSeconds: 3600, ...(secret !== undefined && { secret }) });
  subscriber.listen(0, '127.0.0.1');
  await once(subscriber, 'listen');
  const { port } = subscriber.server.address() as AddressInfo;
  subscriber.callbackUrl = `http://127.0.0.1:${port}/callback`;
  onTestFinished(() => void subscriber.server.close());
  return { subscriber, topic: `${hub.url}/v1/channels/${channel}`, websub: `${hub.url}/v1/websub` };
}

function promisified(ask: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => ask((error) => (error === null ? resolve() : reject(error))));
}

/** The subscriber has confirmed; the hub stores that before it is active. */
async function kept(topic: string): Promise<void> {
  await expect.poll(async () => (await fetch(`${hub.url}/v1/subscriptions`)).text(), { interval: 5 }).toContain(topic);
}

async function publish(channel: string, body: string): Promise<void> {
  const answer = await fetch(`${hub.url}/v1/channels/${channel}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/atom+xml; charset=utf-8' },
    body,
  });
  expect(answer.status).toBe(201);
}
