import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER, startBrokers } from '../../kit/brokers.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { call, publish } from '../../kit/http.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import { readAll } from '../one-history.ts';
import { BrokerProxy } from './broker-proxy.ts';

/** A broker that is cut off from the others refuses, too. Here none takes a new connection. */
describe.skipIf(NATS_SERVER === undefined)('a hub that opens again while no broker can be used', () => {
  test('tries until one can, and ends in order on SIGTERM', async () => {
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
    const worksOnSubscriptions = async ({ url }: { readonly url: string }): Promise<boolean> =>
      /^polycast_cluster_subscription_owner 1$/m.test((await call(`${url}/metrics`)).text);
    const first = await start();
    const second = await start();
    await until('the first one works on subscriptions', () => worksOnSubscriptions(first));
    /** It hears that another hub has its lease, and what it sends arrives nowhere. */
    const depose = async ({ proxy, log }: typeof first): Promise<void> => {
      proxy.refuse();
      proxy.hold('there');
      await until('it tries to open', () => log().includes('cannot open yet, trying again'));
    };
    await depose(first);
    await until('the second one works on subscriptions', () => worksOnSubscriptions(second));
    await publish(second.url, { channel: 'a', data: 'while it was away' });
    first.proxy.heal();
    await until('it is ready', async () => (await call(`${first.url}/readyz`).catch(() => undefined))?.status === 200);
    expect([...(await readAll(first.url)).values()]).toEqual(['while it was away']);

    await depose(second);
    expect(await second.end('SIGTERM')).toBe(0);
  });
});
