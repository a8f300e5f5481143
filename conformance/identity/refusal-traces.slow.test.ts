import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { atExit } from '../kit/at-exit.ts';
import { COMMAND } from '../kit/command.ts';
import { call } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { CALLERS } from './callers.ts';
import { startWorld, type TestWorld } from './kit/world.ts';
import { headersOf, operate } from './access-methods.ts';

/**
 * A refusal is counted by code and route, and logged with caller, action and rule. Only servers
 * receive the rule.
 */
let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ logging: { level: 'debug' } });
});

interface Line {
  readonly msg: string;
  readonly code: string;
  readonly route: string;
  readonly [field: string]: unknown;
}

function refusals(): readonly Line[] {
  const lines = world.hub
    .log()
    .split('\n')
    .filter((line) => line.includes('"access: request refused"'));
  return lines.map((line) => JSON.parse(line) as Line);
}

async function count(code: string, route: string): Promise<number> {
  const { text } = await call(`${world.hub.url}/metrics`);
  const escaped = route.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return Number(
    new RegExp(`^polycast_refusals_total\\{code="${code}",route="${escaped}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
  );
}

const READ = '/v1/events?channel=staff.board&after=earliest';

test.each([
  ['nobody', 'none', 'unauthorized', {}],
  ['a user', 'token, right user', 'forbidden', { kind: 'user', user: '7' }],
])(
  'of %s: the log names the principal, the channel and the rule, and the answer does not',
  async (_who, caller, code, fields) => {
    const credentials = CALLERS.find(({ name }) => name === caller)?.credentials(world.issuer) ?? {};
    const before = await count(code, 'GET /v1/events');
    const reply = await call(world.hub.url + READ, { headers: headersOf(credentials) });
    const problem = reply.json<{ code: string; detail: string; rule?: string }>();
    expect(problem.code).toBe(code);
    expect(problem.rule).toBeUndefined();
    expect(JSON.stringify(problem)).not.toMatch(/rule \d|role|staff\.>/);
    expect(await count(code, 'GET /v1/events')).toBe(before + 1);
    await until('it is logged', () =>
      refusals().some((line) => line.code === code && line['channel'] === 'staff.board'),
    );
    expect(refusals().find((line) => line.code === code && line['channel'] === 'staff.board')).toMatchObject({
      route: 'GET /v1/events',
      action: 'subscribe',
      rule: expect.stringContaining('(staff.>)'),
      needs: expect.stringContaining('role'),
      ...fields,
    });
  },
);

test('a server receives the name of the rule', async () => {
  const reply = await call(world.hub.url + READ, {
    headers: { Authorization: `Bearer ${world.issuer.key('narrow')}` },
  });
  expect(reply.json<{ rule: string; detail: string }>()).toMatchObject({
    rule: 'the key',
    detail: expect.stringContaining('the scope subscribe for staff.board'),
  });
});

describe('each kind of refusal is logged', () => {
  test.each([
    ['an item of an array', 'forbidden', 'POST /v1/events', () => post('[{"channel":"staff.board","data":1}]')],
    [
      'an operation',
      'forbidden',
      'WebSocket publish',
      () =>
        operate(world.hub.url, { token: world.issuer.token('7') }, { op: 'publish', channel: 'staff.board', data: 1 }),
    ],
    ['a handshake', 'unauthorized', 'WebSocket', () => operate(world.hub.url, { token: 'gibberish' }, { op: 'ping' })],
    [
      'a scope',
      'forbidden',
      'GET /v1/keys/{id}',
      () => call(`${world.hub.url}/v1/keys/none`, { headers: { Authorization: `Bearer ${world.issuer.token('7')}` } }),
    ],
    ['an unknown path', 'not_found', 'none', () => call(`${world.hub.url}/${'x'.repeat(50)}`)],
  ] as const)('%s', async (_what, code, route, attempt) => {
    const before = await count(code, route);
    await attempt();
    expect(await count(code, route)).toBe(before + 1);
  });
});

test('unknown paths share one label in the metrics', async () => {
  for (let index = 0; index < 50; index++) await call(`${world.hub.url}/made-up-${index}`);
  const { text } = await call(`${world.hub.url}/metrics`);
  expect(text).not.toContain('made-up');
});

test('no token, and no secret of a key, is in the log', () => {
  const brought = CALLERS.flatMap(({ credentials }) => Object.values(credentials(world.issuer)) as readonly string[]);
  const secrets = brought.map((text) => text.split(/[._]/).at(-1) as string).filter((text) => text.length > 8);
  expect(secrets.filter((secret) => world.hub.log().includes(secret))).toEqual([]);
});

test('`polycast dev` prints it on the terminal, with the setting that would allow the request', async () => {
  const child = spawn(process.execPath, [COMMAND, 'dev', '--data', ':memory:', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  atExit(() => void child.kill('SIGKILL'));
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  await until('it listens', () => /listening on (\S+)\n/.test(out));
  const url = /listening on (\S+)\n/.exec(out)?.[1] as string;
  await call(`${url}/v1/events?channel=a`, { headers: { Origin: 'https://shop.example' } });
  await until('it is said', () => err.includes('to allow it: allowedOrigins: ["https://shop.example"]'));
});

function post(body: string): Promise<unknown> {
  const headers = { Authorization: `Bearer ${world.issuer.token('7')}`, 'Content-Type': 'application/json' };
  return call(`${world.hub.url}/v1/events`, { method: 'POST', headers, body });
}
