import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { atExit } from '../../kit/at-exit.ts';
import { post, subscribe } from '../../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { call, publish, publishAll } from '../../kit/http.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = [
  'PolycastLogDamaged',
  'PolycastGaps',
  'PolycastSubscriptionsIncomplete',
  'PolycastSubscriptionsSuspended',
  'PolycastSubscriptionsPileUp',
  'PolycastDeadLetters',
  'PolycastWebhooksFail',
  'PolycastWebhooksWait',
  'PolycastLeasesExpire',
];
const CONFIG = {
  subscriptions: { suspendAfterSeconds: 1, failingNoticeSeconds: 1 },
  outgoing: { connectionsPerHostMax: 1 },
};
const EVENTS = 60;
const DAMAGED = 'text 31"';
/** More than the alert of undelivered events asks for. */
const UNDELIVERED = 10_500;

/**
 * Endpoints that fail, workers that crash, and a data folder that was damaged while the
 * hub was down.
 */
export async function subscriptionsScene(): Promise<Scene> {
  const data = temporaryFolder('alerts-subscriptions');
  await prepareDamage(data);
  const hub = await startHubProcess({ data, config: CONFIG });
  const { url } = hub;
  const failing = await startEndpoint(500, 0);
  const working = await startEndpoint(204, 0);
  const slow = await startEndpoint(204, 1000);
  return {
    name: 'subscriptions',
    url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const webhook = (channel: string, endpoint: string, retryDelaysSeconds: readonly number[]): Promise<string> =>
        subscribe(url, { channels: [channel], delivery: { kind: 'webhook', url: endpoint, retryDelaysSeconds } });
      for (const path of ['a', 'b', 'c', 'd']) await webhook('jobs', `${failing}/${path}`, []);
      await webhook('jobs', `${failing}/again`, [1, 1, 1, 1]);
      await webhook('news', working, []);
      for (const path of ['a', 'b', 'c']) await webhook('news', `${slow}/${path}`, []);
      const delivery = { kind: 'pull', leaseSeconds: 1 };
      const queue = await subscribe(url, { channels: ['jobs'], ordering: 'none', delivery });
      await subscribe(url, { channels: ['pile'], delivery });
      for (let count = 0; count < UNDELIVERED; count += 500)
        await publishAll(
          url,
          Array.from({ length: 500 }, () => ({ channel: 'pile', data: count })),
        );
      await publish(url, { channel: 'news', data: 0 });
      let round = 0;
      await repeatUntilFired(ALERTS, hasFired, async () => {
        for (let count = 0; count < 3; count++) await publish(url, { channel: 'jobs', data: count });
        if (++round % 10 === 0) await publish(url, { channel: 'news', data: round });
        await leaseAndForget(`${url}/v1/subscriptions/${queue}`);
        await readDamaged(url);
      });
      await hub.end('SIGKILL');
    },
  };
}

/** The first answer ends before the damaged event, and the second one has a gap in place of it. */
async function readDamaged(url: string): Promise<void> {
  const page = `${url}/v1/events?channel=a&limit=1000`;
  const { cursor } = (await call(`${page}&after=earliest`)).json<{ cursor: string }>();
  await call(`${page}&after=${cursor}`);
}

/** Takes three events, acknowledges one, gives one back and forgets one. */
async function leaseAndForget(subscription: string): Promise<void> {
  const { events } = (await post(`${subscription}/pull`, { count: 3 })).json<{ events: { lease: string }[] }>();
  const [first, second] = events;
  if (first !== undefined) await post(`${subscription}/ack`, { leases: [first.lease] });
  if (second !== undefined) await post(`${subscription}/nack`, { leases: [second.lease] });
}

/** A flipped bit in the log, and a store of subscriptions without its newest changes. */
async function prepareDamage(data: string): Promise<void> {
  const first = await startHubProcess({ data, config: CONFIG });
  for (let count = 0; count < EVENTS; count++) await publish(first.url, { channel: 'a', data: `text ${count}` });
  await first.end('SIGTERM');
  const file = join(data, 'log.db');
  const bytes = readFileSync(file);
  for (let at = bytes.indexOf(DAMAGED); at >= 0; at = bytes.indexOf(DAMAGED, at)) bytes.writeUInt8(0x75, at);
  writeFileSync(file, bytes);
  const second = await startHubProcess({ data, config: CONFIG });
  await subscribe(second.url, { channels: ['lost'], delivery: { kind: 'pull' } });
  await second.end('SIGKILL');
  rmSync(join(data, 'subscriptions.sqlite-wal'));
}

async function startEndpoint(status: number, delayMs: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(status).end(), delayMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atExit(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
