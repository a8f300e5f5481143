import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, interceptors, request as undiciRequest } from 'undici';
import { atExit } from './at-exit.ts';
import { temporaryFolder } from './folders.ts';
import { call } from './http.ts';
import { hasNginx, spawnNginx } from './nginx.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { until } from './wait.ts';

/** A response through a cache. */
export interface Cached {
  readonly status: number;
  readonly text: string;
}

/** A third-party cache in front of an origin, configured as its users do. */
export interface Cache {
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Cached>;
  close(): void | Promise<void>;
}

const VARNISH = '/usr/sbin/varnishd';

/** Each kind of cache. `isProxy`: one shared cache before the hub. */
export const CACHES: readonly {
  readonly name: string;
  readonly isInstalled: boolean;
  readonly isProxy: boolean;
  readonly start: (originPort: number) => Promise<Cache>;
}[] = [
  { name: 'nginx', isInstalled: hasNginx, isProxy: true, start: startNginx },
  { name: 'Varnish', isInstalled: runs(VARNISH, '-V'), isProxy: true, start: startVarnish },
  { name: 'undici, shared', isInstalled: true, isProxy: false, start: (port) => startUndici(port, 'shared') },
  { name: 'undici, private', isInstalled: true, isProxy: false, start: (port) => startUndici(port, 'private') },
];

/** `proxy_cache` with the settings of the deployment guide only. */
async function startNginx(originPort: number): Promise<Cache> {
  const [ofHttp = '', ofLocation = ''] = guideBlocks(/proxy_cache/);
  const { child, port } = await spawnNginx((folder, ownPort) => {
    for (const name of ['cache', 'cache-once']) {
      mkdirSync(join(folder, name));
      chmodSync(join(folder, name), 0o777);
    }
    return `upstream polycast { server 127.0.0.1:${originPort}; }
  ${ofHttp.replaceAll('/var/cache/nginx/polycast', `${folder}/cache`).replaceAll('/run/', `${folder}/`)}
  server {
    listen 127.0.0.1:${ownPort};
    location / {
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      ${ofLocation}
    }
  }`;
  });
  return proxy(child, port);
}

function guideBlocks(about: RegExp): readonly string[] {
  const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/deployment.md'), 'utf8');
  return [...guide.matchAll(/```nginx\n([^]*?)```/g)]
    .map(([, text]) => text as string)
    .filter((text) => about.test(text));
}

/**
 * It looks up all requests in the cache. By its own rules it would forward requests with cookies,
 * whatever the hub's headers are.
 */
async function startVarnish(originPort: number): Promise<Cache> {
  const folder = temporaryFolder('varnish');
  chmodSync(folder, 0o755);
  const port = await unusedPort();
  writeFileSync(
    join(folder, 'polycast.vcl'),
    `vcl 4.1;
backend hub { .host = "127.0.0.1"; .port = "${originPort}"; .first_byte_timeout = 70s; }
sub vcl_recv { if (req.method == "GET" || req.method == "HEAD") { return (hash); } }
`,
  );
  const args = ['-F', '-a', `127.0.0.1:${port}`, '-f', join(folder, 'polycast.vcl'), '-n', join(folder, 'work')];
  return proxy(spawn(VARNISH, [...args, '-s', 'malloc,16m'], { stdio: ['ignore', 'ignore', 'inherit'] }), port);
}

async function proxy(child: ChildProcess, port: number): Promise<Cache> {
  const forget = atExit(() => child.kill('SIGKILL'));
  child.on('exit', forget);
  const url = `http://127.0.0.1:${port}`;
  await until('the cache answers', () =>
    call(`${url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return {
    get: (path, headers = {}) => call(url + path, { headers }),
    close: () => void child.kill('SIGTERM'),
  };
}

/** The cache of RFC 9111 for Node's `fetch`: as a proxy, or as one browser with several users. */
async function startUndici(originPort: number, type: 'shared' | 'private'): Promise<Cache> {
  const agent = new Agent({ connections: 64 });
  const dispatcher = agent.compose(interceptors.cache({ type }));
  return {
    async get(path, headers = {}) {
      const { statusCode, body } = await undiciRequest(`http://127.0.0.1:${originPort}${path}`, {
        dispatcher,
        headers,
      });
      return { status: statusCode, text: await body.text() };
    },
    close: () => agent.close(),
  };
}

function runs(program: string, option: string): boolean {
  return spawnSync(program, [option]).status === 0;
}
