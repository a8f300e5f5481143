import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { Endpoint, type ReceivedDelivery } from '../kit/clients/endpoint.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** The delay grows with each crash, because the subscription was in flight. */
const KILLS = 3;

test('a wiped log is reported although the hub is killed repeatedly before any report', async () => {
  const data = temporaryFolder('lost-log-kill');
  let isUp = true;
  const endpoint = await Endpoint.open(() => (isUp ? 204 : 500));
  const received = (): readonly ReceivedDelivery[] => endpoint.received.filter(({ isDone }) => isDone);
  onTestFinished(() => endpoint.close());
  let hub = await startHubProcess({ data });
  const { url, port } = hub;
  const delivery = {
    kind: 'webhook',
    url: `${endpoint.url}/hook`,
    retryDelaysSeconds: Array.from({ length: 30 }, () => 1),
  };
  await subscribe(url, { channels: ['orders.>'], delivery });
  const publish = async (count: number): Promise<void> => {
    const reply = await post(`${url}/v1/events`, { channel: 'orders.1', data: count });
    expect(reply.status, reply.text).toBe(201);
  };
  await publish(1);
  await until('the first is delivered', () => received().length === 1);
  await hub.end('SIGTERM');

  for (const name of readdirSync(data))
    if (!name.startsWith('subscriptions.sqlite')) rmSync(join(data, name), { recursive: true });
  isUp = false;
  for (let kill = 0; kill < KILLS; kill++) {
    hub = await startHubProcess({ data, port });
    if (kill === 0) await publish(2);
    const asked = endpoint.received.length;
    await until('it is tried', () => endpoint.received.length > asked);
    await hub.end('SIGKILL');
  }
  isUp = true;
  hub = await startHubProcess({ data, port });
  await until('all is delivered', () => received().length >= 3);
  await hub.end('SIGTERM');
  const [before, gap, event] = received();
  expect(gap).toMatchObject({ channel: 'polycast.gap', payload: { from: before?.id, reason: 'epoch' } });
  expect(event).toMatchObject({ channel: 'orders.1', payload: 2 });
});
