import { parseConfig } from '../../../packages/server/src/config/parse.ts';
import { openHub } from '../../../packages/server/src/hub.ts';
import { fastWorld } from '../../../packages/server/src/operate/world.ts';
import { subscribe } from '../../kit/clients/delivery-checks.ts';
import { publish } from '../../kit/http.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = ['PolycastSubscriptionsLate'];
/** The alert asks for six hours: at this speed they are six seconds. */
const SPEED = 3600;

/** A queue without workers, in a hub whose clock runs fast. */
export async function lateScene(): Promise<Scene> {
  const config = { listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } };
  const hub = await openHub(parseConfig(config), { world: fastWorld(SPEED) });
  return {
    name: 'late',
    url: hub.url,
    alerts: ALERTS,
    async provoke(hasFired) {
      await subscribe(hub.url, { channels: ['jobs'], delivery: { kind: 'pull' } });
      await publish(hub.url, { channel: 'jobs', data: 1 });
      await repeatUntilFired(ALERTS, hasFired);
      await hub.close();
    },
  };
}
