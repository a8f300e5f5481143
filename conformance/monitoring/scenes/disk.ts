import { Follower } from '../../kit/clients/followers.ts';
import { post, subscribe } from '../../kit/clients/delivery-checks.ts';
import { shimDisk } from '../../kit/disk-shim.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { call, publish } from '../../kit/http.ts';
import { pause } from '../../kit/wait.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const SLOW_ALERTS = ['PolycastDiskSlow', 'PolycastDeliverySlow', 'PolycastAppendQueueFills'];
const FULL_ALERTS = ['PolycastLogNotWritable', 'PolycastEventsNotWritten', 'PolycastSubscriptionStoreFails'];
/** With five events of 10 kB in it, the queue of writes is at three quarters. */
const QUEUE_BYTES = 65_536;
const HOLD_MS = 2500;

/** A disk whose syncs take seconds, and that is full afterwards. */
export async function diskScene(): Promise<Scene> {
  const data = temporaryFolder('alerts-disk');
  const disk = shimDisk(data);
  const config = { limits: { appendQueueBytesMax: QUEUE_BYTES }, defaults: { eventBytesMax: QUEUE_BYTES } };
  const hub = await startHubProcess({ data, config, environment: disk.environment });
  const { url } = hub;
  const event = { channel: 'a', data: 'x'.repeat(10_000) };
  const tryToPublish = (): Promise<unknown> => post(`${url}/v1/events`, event);
  return {
    name: 'disk',
    url,
    alerts: [...SLOW_ALERTS, ...FULL_ALERTS],
    async provoke(hasFired) {
      const follower = new Follower(url, 'sse', { channels: ['a'], after: 'now' });
      const id = await subscribe(url, { channels: ['a'], delivery: { kind: 'pull' } });
      await repeatUntilFired(SLOW_ALERTS, hasFired, async () => {
        disk.order('hold', 'log.db');
        const published = Promise.all(Array.from({ length: 5 }, tryToPublish));
        await pause(HOLD_MS);
        disk.order('hold', undefined);
        await published;
      });
      disk.order('full', '');
      await repeatUntilFired(FULL_ALERTS, hasFired, async () => {
        await tryToPublish();
        // A lease is a change of the subscription store.
        await post(`${url}/v1/subscriptions/${id}/pull`, { count: 1 });
      });
      disk.order('full', undefined);
      await repeatUntilWritable(url);
      await publish(url, event);
      await follower.stop();
      await hub.end('SIGTERM');
    },
  };
}

async function repeatUntilWritable(url: string): Promise<void> {
  while ((await call(`${url}/readyz`)).status !== 200) await pause(100);
}
