import { existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** Delays each answer until the test releases it. */
async function heldEndpoint(): Promise<{
  readonly url: string;
  readonly held: ServerResponse[];
  readonly askedMs: number[];
}> {
  const held: ServerResponse[] = [];
  const askedMs: number[] = [];
  const server = createServer((request, response) => {
    request.resume();
    askedMs.push(performance.now());
    held.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, held, askedMs };
}

const EVENTS = 5;

test('after two crashes the log names the deliveries in flight; they are retried last and one by one, all others immediately', async () => {
  const data = temporaryFolder('crash-loop');
  const [one, two, other] = await Promise.all([heldEndpoint(), heldEndpoint(), heldEndpoint()]);
  const suspects = [one, two];
  let hub = await startHubProcess({ data });
  const { port, url } = hub;
  const publish = async (): Promise<void> => {
    for (let number = 0; number < EVENTS; number++)
      expect((await post(`${url}/v1/events`, { channel: 'orders.1', data: number })).status).toBe(201);
  };
  const answerOther = async (): Promise<void> => {
    for (let answered = 0; answered < EVENTS; answered++) {
      await until('the other endpoint is sent to', () => other.held.length > 0);
      other.held.shift()?.writeHead(204).end();
    }
  };
  const create = (endpoint: string): Promise<string> =>
    subscribe(url, {
      channels: ['orders.>'],
      delivery: { kind: 'webhook', url: endpoint, retryDelaysSeconds: [1, 1, 1] },
    });
  const ids = [await create(one.url), await create(two.url)];
  const otherId = await create(other.url);
  await publish();
  await answerOther();
  for (let death = 1; death <= 2; death++) {
    await until('both are sent to', () => suspects.every(({ held }) => held.length === 1));
    await until('the other one has all', async () => (await lagOf(url, otherId)) === 0);
    await writeDown(url, otherId);
    await hub.end('SIGKILL');
    for (const { held } of suspects) held.length = 0;
    if (death === 1) hub = await startHubProcess({ data, port });
  }
  for (const { askedMs } of suspects) askedMs.length = 0;
  const startedMs = performance.now();
  hub = await startHubProcess({ data, port });
  await until('it names both', () => namedIn(hub.log()).length === 2);
  for (const subscription of ids)
    expect(namedIn(hub.log())).toContainEqual(expect.objectContaining({ subscription, crashes: 1, positions: [1] }));
  await publish();
  await answerOther();
  await until('one of them is tried', () => suspects.some(({ held }) => held.length > 0));
  const [first, second] = one.held.length > 0 ? [one, two] : [two, one];
  expect((first.askedMs[0] as number) - startedMs).toBeGreaterThan(2000);
  expect(second.held).toHaveLength(0);
  first.held.shift()?.writeHead(500).end();
  await until('then the other one is', () => second.held.length > 0);
  const answering = setInterval(() => {
    for (const { held } of suspects) for (const response of held.splice(0)) response.writeHead(204).end();
  }, 5);
  for (const id of ids) await until('each has all', async () => (await lagOf(url, id)) === 0);
  clearInterval(answering);
  await until('the log says so', () => hub.log().split('resuming normal deliveries').length === 3);
  await hub.end('SIGTERM');
  expect(existsSync(join(data, 'webhooks-in-flight'))).toBe(false);
  hub = await startHubProcess({ data, port });
  expect(namedIn(hub.log())).toEqual([]);
  await hub.end('SIGTERM');
});

function namedIn(log: string): readonly unknown[] {
  const lines = log.split('\n').filter((line) => line.includes('the hub crashed while sending'));
  return lines.map((line): unknown => JSON.parse(line));
}

/**
 * Returns when the subscription's progress is on the disk. Without lag the progress is in memory
 * only, and a hub that crashed then would send acknowledged events again. A change of the
 * definition is durable before it is answered, and so is the progress before it.
 */
async function writeDown(hub: string, id: string): Promise<void> {
  const reply = await call(`${hub}/v1/subscriptions/${id}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ description: 'written down' }),
  });
  expect(reply.status, reply.text).toBe(200);
}

async function lagOf(hub: string, id: string): Promise<number> {
  const answer = await fetch(`${hub}/v1/subscriptions/${id}`);
  const { backlog } = (await answer.json()) as { readonly backlog: { readonly lagEvents: number } };
  return backlog.lagEvents;
}
