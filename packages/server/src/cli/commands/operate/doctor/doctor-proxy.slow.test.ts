import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../../../../../../../scripts/unused-port.ts';
import { parseConfig } from '../../../../config/parse.ts';
import { openHub, type Hub } from '../../../../hub.ts';
import { runInside, temporaryFolder } from '../../../testing.ts';
import type { Finding } from './finding.ts';

/** A hub behind nginx, on free ports. @param location the directives of the proxy */
async function hubBehindNginx(location: string, settings: object = {}): Promise<{ hub: Hub; through: string }> {
  const base = { listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } };
  const hub = await openHub(parseConfig({ ...base, ...settings }));
  onTestFinished(() => hub.close());
  const port = await unusedPort();
  const folder = temporaryFolder();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder};`);
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1; daemon off;
     events { worker_connections 64; }
     http { access_log off; ${temporary.join(' ')}
       server { listen 127.0.0.1:${port}; location / { proxy_pass ${hub.url}; ${location} } } }`,
  );
  const nginx = spawn('nginx', ['-c', file], { stdio: 'ignore' });
  // With this signal nginx ends its worker as well.
  onTestFinished(async () => {
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
  });
  const through = `http://127.0.0.1:${port}`;
  await expect
    .poll(() =>
      fetch(through).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  return { hub, through };
}

async function proxyFindings(hub: Hub, ...args: readonly string[]): Promise<readonly Finding[]> {
  const { out } = await runInside(['doctor', '--json', '--url', hub.url, ...args]);
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return findings.filter(({ check }) => check.startsWith('proxy'));
}

test('a proxy that buffers, upgrades nothing and forwards no address is found', async () => {
  const { hub, through } = await hubBehindNginx('proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;');
  expect(await proxyFindings(hub, '--through', through)).toMatchObject([
    { check: 'proxy address', result: 'warn', measured: expect.stringContaining('forwards no address') },
    { check: 'proxy stream', result: 'fail', advice: expect.stringContaining('proxy_buffering off') },
    { check: 'proxy websocket', result: 'warn', advice: expect.stringContaining('Upgrade') },
  ]);
});

const GOOD = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $http_host;`;

test('a forwarded address that the hub ignores, and a short timeout, are found', async () => {
  // Longer than a busy machine stands still, and shorter than the interval of heartbeats.
  const { hub, through } = await hubBehindNginx(`${GOOD} proxy_read_timeout 8s;`);
  expect(await proxyFindings(hub, '--through', through, '--hold', '60')).toMatchObject([
    { result: 'warn', advice: expect.stringContaining('trustedProxies: ["127.0.0.1"]') },
    { check: 'proxy stream', result: 'ok' },
    { check: 'proxy timeouts', result: 'fail', measured: expect.stringMatching(/ended after \d+ s/) },
    { check: 'proxy websocket', result: 'ok' },
  ]);
});

test('a proxy like that of the deployment guide has no finding', async () => {
  const { hub, through } = await hubBehindNginx(GOOD, { trustedProxies: ['127.0.0.1'] });
  const findings = await proxyFindings(hub, '--through', through, '--hold', '2');
  expect(findings.map(({ check, result }) => [check, result])).toEqual([
    ['proxy address', 'ok'],
    ['proxy stream', 'ok'],
    ['proxy timeouts', 'ok'],
    ['proxy websocket', 'ok'],
  ]);
});
