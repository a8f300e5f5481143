import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { packagesOf, type Program } from './packages.ts';

/**
 * `/openapi.json` in other tools: a linter, two generators whose clients are used, and a test tool.
 * `/asyncapi.json` in the parser of AsyncAPI.
 */
const TOOL_TIMEOUT_MS = 400_000;
/** An address on which no program listens. */
const NOWHERE = 'http://127.0.0.1:9';

const folder = temporaryFolder('openapi');
const document = join(folder, 'openapi.json');
let hub: HubProcess;
let key: string;
let npm: Program;
let python: Program;

beforeAll(async () => {
  [npm, python] = await Promise.all([packagesOf('npm', 'openapi-npm'), packagesOf('python', 'openapi-python')]);
  hub = await startHubProcess({
    config: {
      access: 'rules',
      outgoing: { allow: ['127.0.0.1:9'] },
      subscriptions: { trustedEndpoints: [NOWHERE] },
    },
  });
  key = await firstKey(hub);
  writeFileSync(document, await (await fetch(`${hub.url}/openapi.json`)).text());
}, 600_000);

afterAll(() => hub.end('SIGKILL'));

describe('npm', () => {
  test('Redocly finds no error', async ({ skip }) => {
    skip(npm.missing !== undefined, npm.missing);
    const cli = join(npm.folder, 'node_modules/@redocly/cli/bin/cli.js');
    const linted = await run(process.execPath, [cli, 'lint', document, '--format=json', '--extends=recommended']);
    expect(JSON.parse(linted.out)).toMatchObject({ totals: { errors: 0, warnings: 0 }, problems: [] });
  });

  test('the parser of AsyncAPI finds no error and no warning in /asyncapi.json', async ({ skip }) => {
    skip(npm.missing !== undefined, npm.missing);
    const file = join(folder, 'asyncapi.json');
    writeFileSync(file, await (await fetch(`${hub.url}/asyncapi.json`)).text());
    const parsed = await run(process.execPath, [join(npm.folder, 'asyncapi.js'), file]);
    expect({ ...parsed, out: JSON.parse(parsed.out || 'null') as unknown }).toMatchObject({
      error: '',
      out: { channels: ['ndjson', 'sse', 'websocket'], operations: 13, diagnostics: [] },
    });
  });

  test('a correct program compiles with the types of openapi-typescript, and a wrong one does not', async ({
    skip,
  }) => {
    skip(npm.missing !== undefined, npm.missing);
    const program = join(npm.folder, 'used');
    mkdirSync(program, { recursive: true });
    for (const name of ['use.ts', 'tsconfig.json']) copyFileSync(join(npm.folder, name), join(program, name));
    const generator = join(npm.folder, 'node_modules/openapi-typescript/bin/cli.js');
    const made = await run(process.execPath, [generator, document, '--output', join(program, 'polycast.ts')]);
    expect([made.code, made.error]).toEqual([0, '']);
    const compiler = join(npm.folder, 'node_modules/typescript/bin/tsc');
    expect(await run(process.execPath, [compiler, '--project', program])).toEqual({ code: 0, out: '', error: '' });
    const used = await run(process.execPath, [join(program, 'use.ts'), hub.url, key]);
    expect(used).toEqual({ code: 0, out: 'true 2 22\n400 invalid_channel\nactive 60\n', error: '' });
  });
});

describe('Python', () => {
  test('openapi-python-client generates a client without a warning, and the client works', async ({ skip }) => {
    skip(python.missing !== undefined, python.missing);
    const bin = join(python.folder, 'venv/bin');
    const client = join(folder, 'polycast_client');
    const args = ['generate', '--path', document, '--meta', 'none', '--output-path', client, '--fail-on-warning'];
    // It needs ruff to format its output.
    const PATH = `${bin}:${process.env['PATH']}`;
    const made = await run(join(bin, 'python'), ['-m', 'openapi_python_client', ...args], { PATH });
    expect([made.code, made.out + made.error]).toEqual([0, expect.not.stringMatching(/warning|error|skipping/i)]);
    const used = await run(join(bin, 'python'), [join(python.folder, 'use.py'), hub.url, key], { PYTHONPATH: folder });
    expect([used.code, used.error]).toEqual([0, '']);
    expect(
      used.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      ['subscriptions', 'active', 'PullDelivery', 'active', `${NOWHERE}/`],
      ['published', expect.stringMatching(/^.{22}$/), 'orders.1'],
      ['list', ['orders.2', 'orders.2', 'orders.2']],
      ['refused', 400, 'invalid_channel'],
      ['newest', '{"as":"it is"}'],
      ['messages', ['polycast.private.ann', 'polycast.private.bob']],
      [
        'poll',
        [
          ['orders.1', 'é'],
          ['orders.2', 0],
        ],
      ],
      ['rest', ['orders.2', 'orders.2', 'orders.3']],
      ['nothing', 200, []],
      ['last', ['orders.3']],
      ['history', [true]],
      ['pulled', ['orders.1', 'orders.2', 'orders.3']],
      ['acknowledged', 3],
      ['changed', 'changed', ['order.made'], 1000],
    ]);
  });

  test('Schemathesis finds no answer that differs from the document', async ({ skip }) => {
    skip(python.missing !== undefined, python.missing);
    const tested = await startHubProcess({
      config: {
        access: 'rules',
        rules: [
          { pattern: 'open.>', subscribe: 'anyone', publish: 'anyone', history: 'anyone', presence: 'anyone' },
          { pattern: 'schemathesis.>', subscribe: 'users', publish: 'server' },
        ],
        // The hub sends no request to the endpoints that it invents.
        outgoing: { nameServers: ['127.0.0.1:9'], deny: ['0.0.0.0/0', '::/0'] },
      },
    });
    const args = ['--config-file', join(python.folder, 'schemathesis.toml'), 'run', `${tested.url}/openapi.json`];
    const command = ['-c', 'from schemathesis.cli import schemathesis; schemathesis()'];
    // Each operation is also tried with strange values in `openapi/responses.test.ts`,
    // without Python.
    const bounds = ['--max-examples', '10', '--max-time', '25', '--no-color', '--output-truncate', 'true'];
    copyFileSync(join(python.folder, 'hooks.py'), join(folder, 'hooks.py'));
    const { code, out } = await run(join(python.folder, 'venv/bin/python'), [...command, ...args, ...bounds], {
      POLYCAST_KEY: await firstKey(tested),
    });
    await tested.end('SIGKILL');
    expect([code, code === 0 ? '' : out.slice(-20_000)]).toEqual([0, '']);
    expect(out).toMatch(/Selected: (\d+)\/\1\n/);
    expect(Number(/(\d+) generated/.exec(out)?.[1])).toBeGreaterThan(0);
  });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...SILENT_LOGGING, ...environment };
    const options = { cwd: folder, env, timeout: TOOL_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(program, args, options, (_error, out, error) =>
      resolve({ code: child.exitCode ?? -1, out, error }),
    );
  });
}

/** They send no telemetry, and write no files beside their programs. */
const SILENT_LOGGING = {
  REDOCLY_TELEMETRY: 'off',
  REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
  PYTHONDONTWRITEBYTECODE: '1',
  NO_COLOR: '1',
  FORCE_COLOR: undefined,
};
