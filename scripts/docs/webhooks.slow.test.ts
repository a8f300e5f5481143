import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../unused-port.ts';
import { parseConfig } from '../../packages/server/src/config/parse.ts';
import { startHub, type Hub } from '../../packages/server/src/main.ts';
import { readPages } from './blocks.ts';

/** The guides' receivers and workers in other languages, run with a real hub. */
const pages = readPages(join(import.meta.dirname, '../..'));
const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const RECEIVERS = [
  { language: 'php', command: 'php', args: (file: string, port: number) => ['-S', `127.0.0.1:${port}`, file] },
  { language: 'python', command: 'python3', args: (file: string) => [file] },
  { language: 'go', command: 'go', args: (file: string) => ['run', file] },
];
/** The first program in Go also compiles Go's own packages. */
const START_MS = 200_000;
const EXTENSIONS: Readonly<Record<string, string>> = { php: 'php', python: 'py', go: 'go' };

test.for(RECEIVERS)(
  'the receiver in $language answers the verification, accepts signed requests, and refuses others',
  async ({ language, command, args }, { skip }) => {
    if (!isThere(command)) skip(`${command} is not on this machine`);
    const port = await unusedPort();
    const hub = await startGuardedHub(port);
    const file = fileOf('docs/guides/receiving-webhooks.md', language);
    const program = run(command, args(file, port), { PORT: String(port), WEBHOOK_SECRET: SECRET });
    const url = `http://127.0.0.1:${port}/hook`;
    await expect.poll(() => statusOf(url), { interval: 100, timeout: START_MS }).toBe(401);

    const delivery = { kind: 'webhook', url, secret: SECRET };
    const { id } = (await ask(hub, 'POST', 'subscriptions', { channels: ['orders.*'], delivery })) as { id: string };
    await expect
      .poll(async () => ((await ask(hub, 'GET', `subscriptions/${id}`)) as { state: string }).state)
      .toBe('active');
    await ask(hub, 'POST', 'events', { channel: 'orders.7', data: { state: 'baked' } });
    await expect.poll(program.output).toMatch(/orders\.7 \{"state": ?"baked"\}/);
  },
);

const WORKERS = [
  { language: 'php', command: 'php', args: [] },
  { language: 'python', command: 'python3', args: [] },
  { language: 'go', command: 'go', args: ['run'] },
];

test.for(WORKERS)('the worker in $language handles the events of the queue', async (worker, { skip }) => {
  const { language, command, args } = worker;
  if (!isThere(command)) skip(`${command} is not on this machine`);
  const hub = await startGuardedHub(0);
  const { id } = (await ask(hub, 'POST', 'subscriptions', { channels: ['jobs.*'], delivery: { kind: 'pull' } })) as {
    id: string;
  };
  for (const number of [1, 2]) await ask(hub, 'POST', 'events', { channel: 'jobs.a', data: number });
  const file = fileOf('docs/guides/job-queue.md', language);
  const env = { POLYCAST_URL: hub.url, POLYCAST_KEY: hub.firstKey as string, QUEUE: id };
  await expect.poll(run(command, [...args, file], env).output, { timeout: START_MS }).toBe('jobs.a 1\njobs.a 2\n');
});

test('the worker in Python prints the reason of a refusal', async ({ skip }) => {
  if (!isThere('python3')) skip('python3 is not on this machine');
  const hub = await startGuardedHub(0);
  const file = fileOf('docs/guides/job-queue.md', 'python');
  const env = { POLYCAST_URL: hub.url, POLYCAST_KEY: hub.firstKey as string, QUEUE: 'no-such-queue' };
  await expect.poll(run('python3', [file], env).output).toContain('"code":"not_found"');
});

/** A hub without trusted addresses: it verifies each endpoint. */
async function startGuardedHub(port: number): Promise<Hub> {
  const config = {
    listen: '127.0.0.1:0',
    data: ':memory:',
    rules: [{ pattern: '>', subscribe: 'anyone' }],
    outgoing: { allow: [`127.0.0.1:${port === 0 ? 80 : port}`] },
    logging: { level: 'silent' },
  };
  const hub = await startHub(parseConfig(config));
  onTestFinished(() => hub.close());
  return hub;
}

async function ask(hub: Hub, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${hub.url}/v1/${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${hub.firstKey}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  expect(response.ok, JSON.stringify(answer)).toBe(true);
  return answer;
}

/** The answer to an unsigned request; none while no program listens. */
async function statusOf(url: string): Promise<number | undefined> {
  return fetch(url, { method: 'POST', body: '{}' }).then(
    ({ status }) => status,
    () => undefined,
  );
}

function fileOf(page: string, language: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-webhooks-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, `program.${EXTENSIONS[language]}`);
  writeFileSync(file, pages.get(page)?.find((block) => block.language === language)?.text ?? '');
  return file;
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): { output(): string } {
  // A process group, because `go run` starts the program that it has built.
  const child = spawn(command, args, { env: { ...process.env, ...env }, detached: true });
  onTestFinished(() => end(child));
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return { output: () => text };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  process.kill(-(child.pid as number), 'SIGKILL');
  await gone;
}

function isThere(command: string): boolean {
  return spawnSync(command, [command === 'go' ? 'version' : '--version']).status === 0;
}
