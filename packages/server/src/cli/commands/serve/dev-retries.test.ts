import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { runCli, startHubProcess } from '../../testing.ts';

test('a hub of dev retries a webhook within seconds, also after the second failure', async () => {
  const bodies: string[] = [];
  // With the delays of `serve`, the third attempt would come after five minutes.
  const endpoint = createServer(async (request, response) => {
    bodies.push(await text(request));
    response.writeHead(bodies.length < 3 ? 500 : 204).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void endpoint.close());
  await once(endpoint, 'listening');
  const webhook = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/hook`;

  const { url } = await startHubProcess(['dev', '--listen', '127.0.0.1:0', '--data', ':memory:']);
  const created = await runCli(['subscriptions', 'create', 'orders.>', '--webhook', webhook, '--url', url]);
  expect(created.code).toBe(0);
  expect((await runCli(['publish', 'orders.1', '{"state":"baked"}', '--url', url])).code).toBe(0);

  await expect.poll(() => bodies.length, { timeout: 30_000 }).toBe(3);
  expect(new Set(bodies).size).toBe(1);
});

test('the delays of a configuration take precedence over those of dev', async () => {
  const set = 'subscriptions.retryDelaysSeconds=[7]';
  const { url } = await startHubProcess(['dev', '--listen', '127.0.0.1:0', '--data', ':memory:', '--set', set]);
  const response = await fetch(`${url}/v1/subscriptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channels: ['a'], delivery: { kind: 'webhook', url: 'http://127.0.0.1:9/' } }),
  });
  expect(await response.json()).toMatchObject({ delivery: { retryDelaysSeconds: [7] } });
});
