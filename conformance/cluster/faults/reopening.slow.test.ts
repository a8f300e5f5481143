import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER, startBrokers, type Broker } from '../../kit/brokers.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { call, publish } from '../../kit/http.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import { readAll } from '../one-history.ts';
import { BrokerProxy } from './broker-proxy.ts';

/** A broker that is cut off from the others refuses, too. Here none takes a new connection. */
describe.skipIf(NATS_SERVER === undefined)('a hub that opens again while no broker can be used, or its port', () => {
  test('tries until they can, and ends in order on SIGTERM', async () => {
    const brokers = await startBrokers();
    onTestFinished(() => brokers.end());
    const start = async () => {
      const proxy = await BrokerProxy.start(brokers.urls[0] as string);
      onTestFinished(() => proxy.close());
      const config = { cluster: { ...brokers.settings, nats: [proxy.url] } };
      const process = await startHubProcess({ data: temporaryFolder('hub'), config });
      onTestFinished(async () => void (await process.end('SIGKILL')));
      return { proxy, ...process };
    };
    const [broker] = brokers.brokers as readonly [Broker];
    const first = await start();
    const second = await start();
    await broker.end();
    broker.save();
    await broker.start();
    /** The brokers lose what they confirmed. The hub finds that, and no further connection. */
    const lose = async ({ proxy, url, log }: typeof first): Promise<void> => {
      await publishUntilStored(url, 'lost');
      proxy.refuseAfter(1);
      await broker.end();
      broker.restore();
      await broker.start();
      await until('it tries to open', () => log().includes('cannot open yet, trying again'));
    };
    await lose(first);
    await publishUntilStored(second.url, 'while it was away');
    const taken = createServer().listen(first.port, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    first.proxy.heal();
    await until('it finds its port taken', () => first.log().includes('EADDRINUSE'));
    taken.close();
    await until('the first one is ready', () => isReady(first));
    expect([...(await readAll(first.url)).values()].at(-1)).toBe('while it was away');

    await lose(second);
    expect(await second.end('SIGTERM')).toBe(0);
  });
});

/** A hub that opens again refuses events, or cannot tell what became of them. */
async function publishUntilStored(url: string, data: string): Promise<void> {
  const publishOnce = (): Promise<unknown> => publish(url, { channel: 'a', data }).catch(() => undefined);
  await until('it publishes', async () => (await publishOnce()) !== undefined);
}

async function isReady({ url }: { readonly url: string }): Promise<boolean> {
  return (await call(`${url}/readyz`).catch(() => undefined))?.status === 200;
}
