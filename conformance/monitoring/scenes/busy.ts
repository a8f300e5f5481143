import { Follower, TRANSPORTS } from '../../kit/clients/followers.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { call, publish } from '../../kit/http.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = ['PolycastEventLoopBusy'];
const PUBLISHERS = 6;
/** In one body: it costs the hub much more than the client that sends it. */
const EVENTS = 1500;

/** More published events than one processor core can take, with readers on all transports. */
export async function busyScene(): Promise<Scene> {
  const hub = await startHubProcess({
    data: temporaryFolder('alerts-busy'),
    config: { limits: { bodyBytesMax: 20_000_000 }, defaults: { historyCountMax: 10_000 } },
  });
  const { url } = hub;
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const body = `${JSON.stringify({ channel: 'a', data: { text: 'x'.repeat(50), list: [1, 2, 3] } })}\n`.repeat(EVENTS);
  return {
    name: 'busy',
    url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const followers = TRANSPORTS.map((transport) => new Follower(url, transport, { channels: ['b'], after: 'now' }));
      let isDone = false;
      const publisher = async (): Promise<void> => {
        while (!isDone) await call(`${url}/v1/events`, { method: 'POST', headers, body });
      };
      const publishers = Array.from({ length: PUBLISHERS }, publisher);
      await repeatUntilFired(ALERTS, hasFired, () => publish(url, { channel: 'b', data: 1 }));
      isDone = true;
      await Promise.all([...publishers, ...followers.map((follower) => follower.stop())]);
      await hub.end('SIGKILL');
    },
  };
}
