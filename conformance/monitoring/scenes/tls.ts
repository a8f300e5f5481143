import { writeFileSync } from 'node:fs';
import { selfSigned } from '../../kit/certificates.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { Http2Client } from '../../kit/wire/http2-client.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = ['PolycastCertificateExpires', 'PolycastCertificateReloadFails'];

/** A certificate that is valid for two days, and a renewed one that nobody can read. */
export async function tlsScene(): Promise<Scene> {
  const files = selfSigned();
  const hub = await startHubProcess({ config: { tls: { ...files, reloadIntervalMs: 100 } } });
  return {
    name: 'tls',
    url: hub.url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const client = new Http2Client(hub.url);
      client.listen('/v1/events?channel=a');
      let round = 0;
      await repeatUntilFired(ALERTS, hasFired, async () => {
        writeFileSync(files.certificateFile, `no certificate ${round++}`);
        await client.publish('a', 1);
      });
      client.close();
      await hub.end('SIGKILL');
    },
  };
}
