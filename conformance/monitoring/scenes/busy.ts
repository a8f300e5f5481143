import { Follower, TRANSPORTS } from '../../kit/clients/followers.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { call, publish } from '../../kit/http.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = ['PolycastEventLoopBusy'];
const PUBLISHERS = 6;
/** In one body: it costs the hub much more than the client that sends it. */
const EVENTS = 1500;

/**
 * More publishes than one processor core can take, with readers on all transports. Half of the
 * bodies are refused at their end: they load the event loop alone. The others leave it time on a
 * fast machine, while it waits for the thread that writes.
 */
export async function busyScene(): Promise<Scene> {
  const hub = await startHubProcess({
    data: temporaryFolder('alerts-busy'),
    config: { limits: { bodyBytesMax: 20_000_000 }, defaults: { historyCountMax: 10_000 } },
  });
  const { url } = hub;
  const headers = { 'Content-Type': 'application/json' };
  const event = { channel: 'a', data: { text: 'x'.repeat(50), list: [1, 2, 3] } };
  const events = JSON.stringify(Array.from({ length: EVENTS }, () => event));
  const withoutEnd = events.slice(0, -1);
  return {
    name: 'busy',
    url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const followers = TRANSPORTS.map((transport) => new Follower(url, transport, { channels: ['b'], after: 'now' }));
      let isDone = false;
      const publisher = async (body: string): Promise<void> => {
        while (!isDone) await call(`${url}/v1/events`, { method: 'POST', headers, body });
      };
      const publishers = Array.from({ length: PUBLISHERS }, () => [publisher(events), publisher(withoutEnd)]).flat();
      await repeatUntilFired(ALERTS, hasFired, () => publish(url, { channel: 'b', data: 1 }));
      isDone = true;
      await Promise.all([...publishers, ...followers.map((follower) => follower.stop())]);
      await hub.end('SIGKILL');
    },
  };
}
