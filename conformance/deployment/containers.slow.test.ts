import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { SLOW_TEST_TIMEOUT_MS } from '../../scripts/testing/timeouts.ts';
import { call } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { importCaddyImage, importPrometheusImage } from './base-images.ts';
import { startCompose, type Compose } from './compose.ts';
import { startContainerEngine, type ContainerEngine } from './container-engine.ts';
import { canMakeNamespaces } from './namespaces.ts';
import { buildPolycastImage } from './polycast-image.ts';
import { open, send, type TlsTarget } from './tls-client.ts';

/**
 * The files of operate/container, by a container engine that reads them: Podman builds the image,
 * runs it, and runs the services of the compose files.
 */
describe.skipIf(!canMakeNamespaces)('operate/container (skipped unless run by root)', () => {
  let engine: ContainerEngine;
  let operate: string;

  beforeAll(async () => {
    engine = await startContainerEngine();
    operate = await buildPolycastImage(engine);
  }, SLOW_TEST_TIMEOUT_MS);

  describe('the image', () => {
    let hub: string;
    let key: string;

    beforeAll(async () => {
      run('hub');
      await isReady('hub');
      hub = `http://127.0.0.1:${await engine.namespaces.reach(7400)}`;
      key = await firstKey(engine, 'hub');
    });

    test('has no shell, and runs as a user without rights', () => {
      const shell = engine.tryPodman('run', '--rm', '--network=none', '--entrypoint=/bin/sh', 'polycast', '-c', 'true');
      expect([shell.status, shell.stderr]).toEqual([127, expect.stringContaining('No such file or directory')]);
      expect(engine.podman('top', 'hub', 'user', 'capeff').split('\n')[1]?.split(/\s+/)).toEqual(['nonroot', 'none']);
    });

    test('reports its health by a command of its own', () => {
      const { status, stderr } = engine.tryPodman('run', '--rm', '--network=none', 'polycast', 'status', '--ready');
      expect([status, stderr]).toEqual([1, expect.stringMatching(/no hub|connect|refused/i)]);
    });

    test('stores events in its volume, and ends with 0 before the engine would kill it', async () => {
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
      const published = await call(`${hub}/v1/channels/orders.1/events`, { method: 'POST', headers, body: '{"a":1}' });
      expect(published.status).toBe(201);
      const stream = call(`${hub}/v1/events?channel=orders.>`, {
        headers: { ...headers, Accept: 'text/event-stream' },
      });
      const other = call(`${hub}/v1/events?channel=orders.>&after=now&wait=60`, { headers });
      await until('the hub has both readers', async () => {
        const { sessions } = (await call(`${hub}/v1/status`, { headers })).json<{ sessions: Record<string, number> }>();
        return Object.values(sessions).reduce((sum, count) => sum + count, 0) === 2;
      });
      // 10 s is the default of engines. A hub that they kill then ends with 137. It waits for both
      // readers, which are in this process, to leave.
      await engine.podmanMeanwhile('stop', '--time=10', 'hub');
      expect(engine.podman('inspect', '--format={{.State.ExitCode}}', 'hub').trim()).toBe('0');
      expect((await stream).text).toContain('event: polycast.draining');
      expect((await other).status).toBe(200);

      engine.podman('rm', 'hub');
      run('hub');
      await isReady('hub');
      const page = await call(`${hub}/v1/events?channel=orders.>&after=earliest`, { headers });
      expect(page.json<{ events: { data: unknown }[] }>().events.map(({ data }) => data)).toEqual([{ a: 1 }]);
      engine.podman('rm', '--force', '--time=0', 'hub');
    });
  });

  describe('compose.yaml', () => {
    let compose: Compose | undefined;
    let hub: TlsTarget;
    let headers: Record<string, string>;

    beforeAll(async () => {
      importCaddyImage(engine, 'docker.io/library/caddy:2');
      compose = await startCompose(engine, operate);
      if (compose === undefined) return;
      compose.up(['compose.yaml'], ['hub', 'caddy']);
      headers = { Authorization: `Bearer ${await firstKey(engine, 'polycast_hub_1')}` };
      const root = '/data/caddy/pki/authorities/local/root.crt';
      const copy = join(operate, 'root.crt');
      await until(
        'Caddy has an authority',
        () => engine.tryPodman('cp', `polycast_caddy_1:${root}`, copy).status === 0,
      );
      const port = await engine.namespaces.reach(443);
      hub = { host: '127.0.0.1', port, servername: 'localhost', ca: readFileSync(copy, 'utf8'), agent: false };
      await until('the hub answers through Caddy', () =>
        send(hub, { path: '/readyz' }).then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
    });

    test('each transport receives an event at once, over TLS', async (context) => {
      if (compose === undefined) return context.skip();
      const path = '/v1/events?channel=orders.>';
      const stream = await open(hub, { path, headers: { ...headers, Accept: 'text/event-stream' } });
      const lines = await open(hub, { path, headers: { ...headers, Accept: 'application/x-ndjson' } });
      const socket = new WebSocket(`wss://localhost:${hub.port}${path}`, {
        ...hub,
        headers: { ...headers, Host: 'localhost' },
      });
      let messages = '';
      socket.on('message', (data: Buffer) => (messages += data.toString()));
      const { cursor } = JSON.parse((await send(hub, { path: `${path}&after=now`, headers })).text) as {
        cursor: string;
      };
      const poll = send(hub, { path: `${path}&after=${cursor}&wait=30`, headers });
      await stream.contains('polycast.ready');
      await until('the WebSocket is ready', () => messages.includes('"ready"'));
      const publish = {
        path: '/v1/channels/orders.7/events',
        method: 'POST',
        headers: { ...headers, 'Content-Type': 'application/json' },
      };
      expect((await send(hub, publish, '"fresh"')).status).toBe(201);
      await stream.contains('"fresh"');
      await lines.contains('"fresh"');
      await until('the WebSocket has the event', () => messages.includes('"fresh"'));
      expect((await poll).text).toContain('"fresh"');
      for (const each of [stream, lines]) each.close();
      socket.terminate();
    });

    test('the files keep to the specification of Compose', (context) => {
      if (compose === undefined) return context.skip();
      expect(compose.check()).toEqual(['hub', 'caddy', 'prometheus', 'grafana']);
    });

    test("the hub knows each client's address, which the client cannot forge", async (context) => {
      if (compose === undefined) return context.skip();
      engine.namespaces.output('ip', 'address', 'add', `${CLIENT}/32`, 'dev', 'lo');
      const address = ['--resolve', `localhost:443:${CLIENT}`, '--interface', CLIENT];
      const request = ['--header', 'Authorization: Bearer wrong', '--header', 'X-Forwarded-For: 198.51.100.7'];
      engine.namespaces.output('curl', '--silent', '--insecure', ...address, ...request, 'https://localhost/v1/status');
      const log = (): string => engine.tryPodman('logs', 'polycast_hub_1').stderr;
      await until('the hub has logged the refusal', () => log().includes(`"address":"${CLIENT}"`));
      expect(log()).not.toContain('198.51.100.7');
    });

    test('Caddy keeps the metrics inside', async (context) => {
      if (compose === undefined) return context.skip();
      expect((await send(hub, { path: '/metrics', headers })).status).toBe(404);
    });

    test('Prometheus reads the metrics of the hub, and knows the alerts', async (context) => {
      if (compose === undefined) return context.skip();
      importPrometheusImage(engine, 'docker.io/prom/prometheus:v3.5.0');
      compose.up(['compose.yaml', 'compose.monitoring.yaml'], ['prometheus']);
      const prometheus = `http://127.0.0.1:${await engine.namespaces.reach(9090)}/api/v1`;
      await until('Prometheus has read the hub', async () => {
        const answer = await call(`${prometheus}/query?query=up{job="polycast"}`).catch(() => undefined);
        return answer?.text.includes('"1"]') === true;
      });
      const groups = (await call(`${prometheus}/rules`)).json<{
        data: { groups: { rules: { health: string }[] }[] };
      }>();
      const rules = groups.data.groups.flatMap((group) => group.rules);
      expect(rules.length).toBeGreaterThan(5);
    });
  });

  /**
   * Nothing but the volume can be written, and the loopback is the one of the engine's namespaces.
   */
  function run(name: string): void {
    const sandbox = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=all', '--security-opt=no-new-privileges'];
    engine.podman(
      'run',
      '--detach',
      `--name=${name}`,
      '--network=host',
      ...sandbox,
      '--volume=data:/var/lib/polycast',
      'polycast',
    );
  }

  async function isReady(name: string): Promise<void> {
    await until(`${name} is healthy`, () => engine.tryPodman('healthcheck', 'run', name).status === 0);
  }
});

/** An address that is not Caddy's, of a client in the engine's namespaces. */
const CLIENT = '192.0.2.10';

/** The key that a new hub prints once. */
async function firstKey(engine: ContainerEngine, container: string): Promise<string> {
  let key: string | undefined;
  await until('the hub has printed its first key', () => {
    key = /^pck_.*$/m.exec(engine.podman('logs', container))?.[0];
    return key !== undefined;
  });
  return key as string;
}
