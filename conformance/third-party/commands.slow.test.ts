import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

/** Other languages, with their standard libraries only. */
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

const READERS: readonly { readonly name: string; readonly command: readonly [string, ...string[]] }[] = [
  { name: 'Python http.client, SSE', command: ['python3', join(import.meta.dirname, 'read_sse.py')] },
  { name: 'Python urllib, long poll', command: ['python3', join(import.meta.dirname, 'long_poll.py')] },
  { name: 'PHP streams, SSE', command: ['php', join(import.meta.dirname, 'read-sse.php')] },
  { name: 'PHP streams, long poll', command: ['php', join(import.meta.dirname, 'long-poll.php')] },
];

describe.each(READERS)('$name', ({ command: [program, ...args] }) => {
  test('reads events as they are published', async ({ skip }) => {
    skip(!exists(program), `${program} is not installed`);
    const channel = `read.${args.join('').replaceAll(/\W/g, '-').slice(-30)}`;
    const reader = start(program, [...args, hub.url, channel, '30']);
    const ids: string[] = [];
    for (let n = 0; n < 30; n++) ids.push((await publish(hub.url, { channel, data: { n, text: 'é' } })).id);
    await until('it has read all', () => reader.lines().length >= ids.length);
    expect(reader.lines().map((line) => line.split(' ')[0])).toEqual(ids);
    expect(reader.lines().map((line) => line.split(' ')[1])).toEqual(ids.map((_id, n) => String(n)));
    await until('it has ended', () => reader.child.exitCode !== null);
    expect(reader.child.exitCode).toBe(0);
  });
});

describe('curl', () => {
  test('--no-buffer shows a stream as it arrives', async () => {
    const { child, text } = start('curl', [
      '--silent',
      '--no-buffer',
      '--header',
      'Accept: text/event-stream',
      `${hub.url}/v1/events?channel=curl`,
    ]);
    await until('it is ready', () => text().includes('event: polycast.ready'));
    const { id } = await publish(hub.url, { channel: 'curl', data: 'now' });
    await until('the event is there', () => text().includes(`id: ${id}\ndata: {"id":"${id}","channel":"curl"`));
    child.kill();
  });

  test('polls, reads a stream, publishes, and reports errors', () => {
    const events = `${hub.url}/v1/events`;
    expect(
      curl(['--data', '{"channel":"shell","data":1}', '--header', 'Content-Type: application/json', events]),
    ).toMatch(/^{"id":"[^"]{22}","channel":"shell"/);
    const { cursor } = JSON.parse(curl([`${events}?channel=shell&after=earliest`])) as { cursor: string };
    expect(JSON.parse(curl([`${events}?channel=shell&after=${cursor}&wait=1`]))).toEqual({
      events: [],
      cursor,
      gaps: [],
    });
    expect(
      curl(['--data', 'plain text', '--header', 'Content-Type: text/plain', `${hub.url}/v1/channels/shell/events`]),
    ).toMatch(/^{"id"/);
    expect(curl([`${hub.url}/v1/channels/shell`])).toBe('plain text');
    expect(curl(['--compressed', `${events}?channel=shell&after=earliest`])).toContain('plain text');
    expect(curl(['--http2', `${events}?channel=shell`])).toContain('"events":[]');
    // curl's default media type is that of a form.
    for (const path of ['/v1/events', '/v1/channels/shell/events', '/v1/users/ann/events'])
      expect(JSON.parse(curl(['--data', '{}', hub.url + path]))).toMatchObject({
        status: 415,
        code: 'unsupported_media_type',
        detail: expect.stringContaining('"Content-Type: application/json"'),
      });
    expect(JSON.parse(curl([events]))).toMatchObject({ code: 'channel_missing' });
  });

  test('uploads a file of lines, and a file so large that it waits for "100 Continue"', () => {
    const lines = Array.from({ length: 5000 }, (_, n) => `{"channel":"upload","data":${n}}\n`).join('');
    const results = curl(
      ['--data-binary', '@-', '--header', 'Content-Type: application/x-ndjson', `${hub.url}/v1/events`],
      lines,
    );
    expect(results.trimEnd().split('\n')).toHaveLength(5000);
    const big = curl(
      [
        '--data-binary',
        '@-',
        '--header',
        'Content-Type: application/json',
        '--header',
        'Expect: 100-continue',
        `${hub.url}/v1/events`,
      ],
      `{"channel":"upload","data":"${'x'.repeat(100_000)}"}`,
    );
    expect(big).toMatch(/^{"id"/);
  });
});

interface Started {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly lines: () => readonly string[];
}

function start(program: string, args: readonly string[]): Started {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  atExit(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return { child, text: () => text, lines: () => text.split('\n').slice(0, -1) };
}

function curl(args: readonly string[], input = ''): string {
  return spawnSync('curl', ['--silent', '--show-error', '--max-time', '20', ...args], { input, encoding: 'utf8' })
    .stdout;
}

function exists(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}
