import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { call, type Reply } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/** Answers without a known length, on connections that stay open. */
const ANSWERS = ['HTTP/1.1 200 OK\r\n\r\nok', 'HTTP/1.1 500 No\r\n\r\nok', 'HTTP/1.0 200 OK\r\n\r\nok'];

/** Answers every request with these bytes, keeps the connection open, and counts aborted ones. */
async function holdingEndpoint(answer: string): Promise<{ readonly port: number; readonly givenUp: () => number }> {
  let givenUp = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => givenUp++);
    socket.once('data', () => socket.write(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, givenUp: () => givenUp };
}

test('endpoints with endless answers block only requests to themselves: a webhook, a consent request, an anonymous WebSub callback', async () => {
  const trusted = await Promise.all(ANSWERS.map(holdingEndpoint));
  const asked = await Promise.all(ANSWERS.map(holdingEndpoint));
  const all = [...trusted, ...asked];
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      rules: [{ pattern: 'news.>', subscribe: ['anyone'], publish: ['anyone'] }],
      subscriptions: { trustedEndpoints: trusted.map(({ port }) => `http://127.0.0.1:${port}`) },
      outgoing: { allow: all.map(({ port }) => `127.0.0.1:${port}`) },
    },
  });
  const key = await firstKey(hub);
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const post = (path: string, body: unknown): Promise<Reply> =>
    call(hub.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const ids: string[] = [];
  for (const { port } of all) {
    const delivery = { kind: 'webhook', url: `http://127.0.0.1:${port}/hook`, timeoutMs: 300 };
    const reply = await post('/v1/subscriptions', { channels: ['news.>'], delivery });
    expect(reply.status, reply.text).toBe(201);
    ids.push(reply.json<{ id: string }>().id);
    const form = new URLSearchParams({
      'hub.mode': 'subscribe',
      'hub.topic': `${hub.url}/v1/channels/news.a`,
      'hub.callback': `http://127.0.0.1:${port}/callback`,
    });
    const anonymous = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const definition = { method: 'POST', headers: anonymous, body: form.toString() };
    const answer = await call(`${hub.url}/v1/websub`, definition);
    expect(answer.status, answer.text).toBe(202);
  }
  expect((await post('/v1/events', { channel: 'news.a', data: 1 })).status).toBe(201);
  for (const id of ids)
    await until('its endpoint has timed out', async () => {
      const reply = await call(`${hub.url}/v1/subscriptions/${id}/attempts`, { headers });
      const { attempts } = reply.json<{ attempts: { outcome: string }[] }>();
      return attempts.some(({ outcome }) => outcome === 'timeout');
    });
  // The callback, beside a delivery and a consent request.
  for (const { givenUp: abandonedCount } of all) await until('all has been given up', () => abandonedCount() >= 2);
  expect((await call(`${hub.url}/readyz`)).status, hub.log()).toBe(200);
  expect(await hub.end('SIGTERM'), hub.log()).toBe(0);
  expect(hub.log()).not.toContain('the HTTP client threw');
});
