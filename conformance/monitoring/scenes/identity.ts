import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { firstKey, requestWithKey } from '../../identity/kit/keys.ts';
import { ISSUER, signToken } from '../../identity/kit/tokens.ts';
import { atExit } from '../../kit/at-exit.ts';
import { Follower } from '../../kit/clients/followers.ts';
import { startHubProcess } from '../../kit/hub-process.ts';
import { call } from '../../kit/http.ts';
import { unusedPort } from '../../../scripts/unused-port.ts';
import { until } from '../../kit/wait.ts';
import { repeatUntilFired, type Scene } from './scene.ts';

const ALERTS = ['PolycastSiteFails', 'PolycastIssuerKeysOld', 'PolycastCredentialsRefused'];
const SECRET = 'a secret of at least thirty-two bytes';
/** Refused credentials in one round; the alert asks for five per second. */
const REFUSED = 20;

/** An identity site and an issuer that do not answer, and a client that guesses keys. */
export async function identityScene(): Promise<Scene> {
  const site = await startFailingSite();
  const hub = await startHubProcess({
    config: {
      access: 'rules',
      identity: {
        tokens: [
          { issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] },
          { issuer: 'gone', jwksUrl: `http://127.0.0.1:${await unusedPort()}/jwks` },
        ],
        site: { loginUrl: `${site.url}/login`, cookies: ['session'], failuresMax: 1, retryAfterSeconds: 60 },
      },
      outgoing: { allow: ['127.0.0.1'] },
      rules: [{ pattern: 'room.>', subscribe: 'anyone', presence: 'anyone' }],
    },
  });
  const { url } = hub;
  const ask = (headers: Readonly<Record<string, string>>): Promise<unknown> =>
    call(`${url}/v1/channels/a`, { headers });
  return {
    name: 'identity',
    url,
    alerts: ALERTS,
    async provoke(hasFired) {
      const admin = await firstKey(hub);
      const token = signToken(SECRET, 'ada');
      const ada = new Follower(url, 'websocket', { channels: ['room.1'], after: 'now', token });
      await until('ada is there', async () => {
        const headers = { Authorization: `Bearer ${admin}` };
        return (await call(`${url}/v1/channels/room.1/presence`, { headers })).text.includes('ada');
      });
      // Ends her session. Her client connects again with the token, which is refused.
      await requestWithKey(url, admin, 'POST', '/v1/revocations', { user: 'ada' });
      await ask({ Cookie: 'session=seven' });
      site.fail();
      let round = 0;
      await repeatUntilFired(ALERTS, hasFired, async () => {
        round++;
        await ask({ Cookie: `session=other${round}` });
        await requestWithKey(url, admin, 'POST', '/v1/revocations', { user: `ada${round}` });
        const guess = (_value: unknown, index: number): Promise<unknown> =>
          ask({ Authorization: `Bearer pck_${round}guess${index}` });
        await Promise.all(Array.from({ length: REFUSED }, guess));
      });
      await ada.stop();
      await hub.end('SIGKILL');
    },
  };
}

/** A site that knows one user, until it is told to fail. */
async function startFailingSite(): Promise<{ readonly url: string; fail(): void }> {
  let isFailing = false;
  const server = createServer((request, response) => {
    request.resume();
    if (isFailing) response.writeHead(500).end();
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"user":"7","ttlSeconds":1}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atExit(() => server.close().closeAllConnections());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fail: () => (isFailing = true),
  };
}
