import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { post } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, publish } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { NATS_SERVER, startBrokers } from '../kit/brokers.ts';
import { until } from '../kit/wait.ts';

/**
 * REST Hooks and WebSub at both hubs of a cluster: one of them works, and the other one forwards.
 */
describe.skipIf(NATS_SERVER === undefined)('the dialects of subscriptions in a cluster', () => {
  test('hooks and WebSub subscriptions that are made at each hub receive the events of both', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    const received: { readonly path: string; readonly body: string }[] = [];
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      void request.toArray().then((pieces: Buffer[]) => {
        if (request.method === 'POST') received.push({ path: pathname, body: Buffer.concat(pieces).toString() });
        response.end(searchParams.get('hub.challenge') ?? '{}');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const eventTypes = [{ name: 'order.paid', channels: ['orders.>'], sample: { total: 42 } }];
    const hubs: HubProcess[] = [];
    for (let count = 0; count < 2; count++) {
      const config = { cluster: brokers.settings, eventTypes };
      const hub = await startHubProcess({ data: temporaryFolder('hub'), config });
      onTestFinished(async () => void (await hub.end('SIGKILL')));
      hubs.push(hub);
    }
    for (const [index, { url }] of hubs.entries()) {
      const hook = await post(`${url}/v1/hooks`, { hookUrl: `${site}/hook-${index}`, event: 'order.paid' });
      expect(hook.status, hook.text).toBe(201);
      const asked = await call(`${url}/v1/websub`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          'hub.mode': 'subscribe',
          'hub.topic': `${url}/v1/channels/orders.1`,
          'hub.callback': `${site}/websub-${index}`,
        }).toString(),
      });
      expect(asked.status, asked.text).toBe(202);
    }
    const activeAt = async ({ url }: HubProcess): Promise<number> => {
      const { subscriptions } = (await call(`${url}/v1/subscriptions?state=active`)).json<{
        subscriptions: readonly object[];
      }>();
      return subscriptions.length;
    };
    for (const hub of hubs) await until('all are verified', async () => (await activeAt(hub)) === 4);
    for (const [index, { url }] of hubs.entries())
      await publish(url, { channel: 'orders.1', type: 'order.paid', data: { total: 100 + index } });
    const paths = ['/hook-0', '/hook-1', '/websub-0', '/websub-1'];
    await until('each has received both', () =>
      paths.every((path) =>
        [100, 101].every((total) => received.some((one) => one.path === path && one.body.includes(`${total}`))),
      ),
    );
  });
});
