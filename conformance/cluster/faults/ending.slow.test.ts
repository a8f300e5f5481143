import { realpathSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER, startBrokers, type Broker, type Brokers } from '../../kit/brokers.ts';
import { canShim, shimDisk } from '../../kit/disk-shim.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { call, publish } from '../../kit/http.ts';
import { startHubProcess, type HubProcess, type HubSettings } from '../../kit/hub-process.ts';
import { until } from '../../kit/wait.ts';
import { rawSocket, UPGRADE_HEADERS } from '../../kit/wire/raw-socket.ts';
import { BrokerProxy } from './broker-proxy.ts';

describe.skipIf(NATS_SERVER === undefined)('a hub of a cluster ends', () => {
  test('on SIGTERM, while it connects to a broker that stands still', async () => {
    const { brokers, broker } = await oneBroker();
    const proxy = await BrokerProxy.start(broker.url);
    onTestFinished(() => proxy.close());
    const hub = await start(brokers, { nats: [proxy.url] });
    const before = proxy.connections;
    broker.child.kill('SIGSTOP');
    await until('it connects again', () => proxy.connections > before);
    expect(await hub.end('SIGTERM')).toBe(0);
  });

  test('by itself, when no broker answers its start', async () => {
    const { brokers, broker } = await oneBroker();
    broker.child.kill('SIGSTOP');
    await expect(start(brokers)).rejects.toThrow(/ended with 1 before it listened.*no broker of/s);
  });

  test.skipIf(!canShim)('on SIGTERM, while a WebSocket waits for events that its full disk cannot take', async () => {
    const { brokers } = await oneBroker();
    const data = temporaryFolder('hub');
    const disk = shimDisk(realpathSync(data));
    const full = await start(brokers, {}, { data, environment: disk.environment });
    const other = await start(brokers);
    disk.order('full', '');
    onTestFinished(() => disk.order('full', undefined));
    const { id } = await publish(other.url, { channel: 'a', data: 1 });
    const waiting = await rawSocket(full.url);
    waiting.send(`GET /v1/events?channel=a&after=${id} HTTP/1.1\r\nHost: localhost\r\n${UPGRADE_HEADERS}\r\n`);
    await until('the hub has the request', async () => (await call(`${full.url}/healthz`)).status === 200);
    expect(await full.end('SIGTERM')).toBe(0);
    await waiting.closes();
    expect(waiting.status).toBe(503);
  });
});

async function oneBroker(): Promise<{ readonly brokers: Brokers; readonly broker: Broker }> {
  const brokers = await startBrokers();
  onTestFinished(() => brokers.end());
  return { brokers, broker: brokers.brokers[0] as Broker };
}

async function start({ settings }: Brokers, cluster: object = {}, more: HubSettings = {}): Promise<HubProcess> {
  const config = { drain: { timeMs: 0 }, cluster: { ...settings, ...cluster } };
  const hub = await startHubProcess({ data: temporaryFolder('hub'), config, ...more });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return hub;
}
