import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_PORT } from '../../../config/listen.ts';
import { runCli, SERVE_OPEN, startCli, startHubProcess, temporaryFolder } from '../../testing.ts';

test('serve prints its address first, and works there', async () => {
  const { cli, url } = await startHubProcess();
  expect(cli.out().split('\n')[0]).toBe(`Polycast listening on ${url}`);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test("dev prints the Lab's address and commands to try, and these work", async () => {
  const { cli, url } = await startHubProcess(['dev', '--listen', '127.0.0.1:0', '--data', ':memory:']);
  expect(cli.out()).toMatch(/^Polycast listening on /);
  await cli.outMatches(/Press Ctrl-C to stop/);
  expect(cli.out()).toContain(`${url}/lab`);
  const [, body = ''] = (await cli.outMatches(/-d '([^']+)'/)) as unknown as [string, string];
  const published = await fetch(`${url}/v1/channels/orders.42/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(published.status).toBe(201);
});

test("dev prints the documentation's address if its pages are built", async () => {
  const { cli, url } = await startHubProcess(['dev', '--listen', '127.0.0.1:0', '--data', ':memory:']);
  await cli.outMatches(/Press Ctrl-C to stop/);
  const isShown = cli.out().includes(`${url}/docs`);
  expect((await fetch(`${url}/docs/`)).status).toBe(isShown ? 200 : 404);
});

test('dev says that it does not enforce rules, and names the hub that uses its folder', async () => {
  const OPEN = 'Open: rules about who may read and publish are not enforced; use';
  const data = temporaryFolder();
  const config = join(data, 'polycast.yaml');
  writeFileSync(config, 'rules:\n  - {pattern: "orders.>", subscribe: users}\n');
  const args = ['dev', '--listen', '127.0.0.1:0', '--data', data];
  const { cli, url } = await startHubProcess([...args, '--config', config]);
  await cli.outMatches(/Press Ctrl-C to stop/);
  expect(cli.out()).toContain(OPEN);

  const second = await runCli(args);
  expect(second.code).toBe(1);
  expect(second.err).toContain(`in use by the process ${cli.child.pid}, the hub at ${url}.`);
  expect(second.err).toContain('--data FOLDER');

  const enforcing = ['dev', '--listen', '127.0.0.1:0', '--data', ':memory:', '--config', config];
  const { cli: closed } = await startHubProcess([...enforcing, '--set', 'access=rules']);
  await closed.outMatches(/Press Ctrl-C to stop/);
  expect(closed.out()).not.toContain(OPEN);
});

test('dev with access rules prints the first key, and in memory another one after each restart by the Lab', async () => {
  // A kept connection could be one to the hub before the restart, which has just ended it.
  const unkept = { connection: 'close' };
  const status = (url: string, key: string): Promise<number> =>
    fetch(`${url}/v1/keys`, { headers: { authorization: `Bearer ${key}`, ...unkept } }).then((answer) => answer.status);
  const rules = ['--listen', '127.0.0.1:0', '--set', 'access=rules'];
  const stored = await startHubProcess(['dev', ...rules, '--data', temporaryFolder()]);
  const [own = ''] = await stored.cli.outMatches(/^pck_\S+$/m);
  expect(await status(stored.url, own)).toBe(200);

  const { cli, url } = await startHubProcess(['dev', ...rules, '--data', ':memory:']);
  const [first = ''] = await cli.outMatches(/^pck_\S+$/m);
  expect(await status(url, first)).toBe(200);
  const headers = { 'content-type': 'application/json', ...unkept };
  await fetch(`${url}/lab/api/hub/restart`, { method: 'POST', headers });
  const [, , second = ''] = await cli.outMatches(/^(pck_\S+)$[^]*^(pck_\S+)$/m);
  expect([await status(url, first), await status(url, second)]).toEqual([401, 200]);
});

test('dev uses the next port when the default is taken, and names the process that has it', async () => {
  const squatter = createServer();
  onTestFinished(() => void squatter.close());
  squatter.listen(DEFAULT_PORT, '127.0.0.1');
  // Another program may have the port already, which is just as good.
  await once(squatter, 'listening').catch(() => undefined);
  const { cli, url } = await startHubProcess(['dev', '--data', ':memory:']);
  expect(Number(new URL(url).port)).toBeGreaterThan(DEFAULT_PORT);
  await cli.outMatches(new RegExp(`127\\.0\\.0\\.1:${DEFAULT_PORT} is in use by process \\d+ \\(\\S+`));
});

test('--port changes the port of dev and serve, and keeps the configured host', async () => {
  for (const command of ['dev', 'serve']) {
    const { url } = await startHubProcess([command, '--port', '0', '--data', ':memory:'], {
      POLYCAST_LISTEN: '[::1]:1',
    });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d{4,5}$/);
  }
});

test.each(['--port', '--listen'])('a port in use that %s names ends dev with 1 and the process', async (option) => {
  const { cli, url } = await startHubProcess();
  const { host, port } = new URL(url);
  const value = option === '--port' ? port : host;
  const { code, err } = await runCli(['dev', '--data', ':memory:', option, value]);
  expect(code).toBe(1);
  expect(err.replace('polycast.js', 'polycast.ts')).toContain(
    `${host} is in use by process ${cli.child.pid} (node polycast.ts)`,
  );
});

test('--port is a port, and excludes --listen', async () => {
  for (const args of [
    ['--port', '70000'],
    ['--port', 'x'],
    ['--port', '1', '--listen', '127.0.0.1:1'],
  ])
    expect((await runCli(['dev', ...args])).code).toBe(2);
});

test('a data folder that another hub uses ends it with 1 and the number of that process', async () => {
  const data = temporaryFolder();
  const { cli } = await startHubProcess([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  const { code, err } = await runCli([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  expect(code).toBe(1);
  expect(err).toContain(String(cli.child.pid));
  expect(err).not.toContain('internal');
});

test('without access control it listens on other addresses only if that is configured', async () => {
  const { code, err } = await runCli([...SERVE_OPEN, '--listen', '0.0.0.0:0', '--data', ':memory:']);
  expect(code).toBe(78);
  expect(err).toMatch(/is reachable from other machines.*set access: open/);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s disconnects all clients and ends it with 0', async (signal) => {
  const { cli, url } = await startHubProcess();
  const stream = await fetch(`${url}/v1/events?channel=a`, { headers: { accept: 'text/event-stream' } });
  cli.child.kill(signal);
  expect(await stream.text()).toContain('polycast.draining');
  expect((await cli.ended).code).toBe(0);
});

test('signals with another meaning elsewhere are ignored, with a message', async () => {
  const { cli, url } = await startHubProcess();
  for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGXFSZ', 'SIGPWR'] as const) {
    cli.child.kill(signal);
    await cli.errMatches(new RegExp(`${signal} ignored`));
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }
  for (const signal of ['SIGPIPE', 'SIGWINCH', 'SIGCHLD', 'SIGCONT', 'SIGURG'] as const) cli.child.kill(signal);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  // Node would open a debugger at SIGUSR1.
  expect(cli.err()).not.toContain('Debugger');
  cli.child.kill('SIGQUIT');
  expect((await cli.ended).code).toBe(0);
});

test('a hub continues when its output is closed', async () => {
  const { cli, url } = await startHubProcess(['dev', '--listen', '127.0.0.1:0', '--data', ':memory:']);
  cli.child.stdout?.destroy();
  cli.child.stderr?.destroy();
  cli.child.kill('SIGUSR2');
  for (const path of ['/healthz', '/v1/events?channel=a', '/healthz'])
    expect((await fetch(url + path)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect((await cli.ended).code).toBe(0);
});

test('a second signal ends it immediately', async () => {
  const { cli, url } = await startHubProcess([
    ...SERVE_OPEN,
    '--listen',
    '127.0.0.1:0',
    '--data',
    ':memory:',
    '--set',
    'drain.timeMs=600000',
  ]);
  const stream = await fetch(`${url}/v1/events?channel=a`, { headers: { accept: 'text/event-stream' } });
  cli.child.kill('SIGTERM');
  await cli.errMatches(/closing all sessions/);
  cli.child.kill('SIGTERM');
  expect((await cli.ended).code).toBe(130);
  await stream.text().catch(() => undefined);
});

test('events from before a restart exist after it', async () => {
  const data = temporaryFolder();
  const first = await startHubProcess([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  expect((await runCli(['publish', 'a', '1', '--url', first.url])).code).toBe(0);
  first.cli.child.kill('SIGTERM');
  await first.cli.ended;
  const second = await startHubProcess([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  expect(await (await fetch(`${second.url}/v1/channels/a`)).text()).toBe('1');
});

test('a renewed epoch turns old cursors into a gap', async () => {
  const data = temporaryFolder();
  const first = await startHubProcess([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  const { out } = await runCli(['publish', 'a', '1', '--json', '--url', first.url]);
  const { id } = JSON.parse(out) as { id: string };
  const refused = await runCli(['epoch', 'renew', '--data', data]);
  expect(refused.code).toBe(1);
  first.cli.child.kill('SIGTERM');
  await first.cli.ended;
  expect((await runCli(['epoch', 'renew', '--data', data])).out).toMatch(/^renewed: /);
  const second = startCli([...SERVE_OPEN, '--listen', '127.0.0.1:0', '--data', data]);
  const [, url] = await second.outMatches(/listening on (\S+)/);
  const poll = (await (await fetch(`${url}/v1/events?channel=a&after=${id}`)).json()) as { gaps: { reason: string }[] };
  expect(poll.gaps[0]?.reason).toBe('epoch');
});
