import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { openHub, type Hub } from '../hub.ts';

async function open(): Promise<Hub> {
  const { config } = loadConfig({
    settings: ['access=loopback', 'listen=127.0.0.1:0', 'data=:memory:', 'logging.level=error'],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return hub;
}

async function publish(hub: Hub, ...channels: readonly string[]): Promise<void> {
  const body = JSON.stringify(channels.map((channel) => ({ channel, data: 1 })));
  await (
    await fetch(`${hub.url}/v1/events`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  ).text();
}

async function poll(hub: Hub, query: string, etag?: string): Promise<{ status: number; etag: string; count: number }> {
  const response = await fetch(
    `${hub.url}/v1/events?${query}`,
    etag === undefined ? {} : { headers: { 'if-none-match': etag } },
  );
  const text = await response.text();
  const count = text === '' ? 0 : (JSON.parse(text) as { events: readonly unknown[] }).events.length;
  return { status: response.status, etag: response.headers.get('etag') ?? '', count };
}

/** PROTOCOL.md section 5.2. */
test.each([
  'channel=a&after=earliest',
  'channel=a&after=earliest&limit=2',
  'channel=*&after=earliest&limit=1',
  'channel=a&history=2',
])('an unchanged answer is not sent again: %s', async (query) => {
  const hub = await open();
  await publish(hub, 'a', 'a', 'a');
  const first = await poll(hub, query);
  expect(first).toMatchObject({ status: 200 });
  await publish(hub, 'b.c');
  expect(await poll(hub, query, first.etag)).toMatchObject({ status: 304, etag: first.etag, count: 0 });
});

test('an answer with more events is sent', async () => {
  const hub = await open();
  await publish(hub, 'a');
  const first = await poll(hub, 'channel=a&after=earliest');
  await publish(hub, 'a');
  expect(await poll(hub, 'channel=a&after=earliest', first.etag)).toMatchObject({ status: 200, count: 2 });
});
