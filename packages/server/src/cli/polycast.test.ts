import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { commands } from './commands.ts';
import { CLOSED_PORT, runCli, runInside, temporaryFolder } from './testing.ts';

test('without a command it tells which there are', async () => {
  const { code, out, err } = await runInside([]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const { name, summary } of commands) expect(out.replaceAll(/ +/g, ' ')).toContain(`\n ${name} ${summary}\n`);
});

test('every command has help with its options and examples', async () => {
  const helps = await Promise.all(commands.map(({ name }) => runInside([...name.split(' '), '--help'])));
  for (const [index, { name, options, examples }] of commands.entries()) {
    const { code, out } = helps[index] as { code: number; out: string };
    expect(code, name).toBe(0);
    for (const option of Object.keys(options)) expect(out).toContain(`--${option}`);
    for (const { command } of examples) expect(out).toContain(command);
  }
});

test('no colour goes into a pipe, unless that is asked for', async () => {
  expect((await runCli(['--help'])).out).not.toContain('\u001B[');
  expect((await runCli(['--help'], { env: { FORCE_COLOR: '1' } })).out).toContain('\u001B[');
});

test('the version is that of the package', async () => {
  expect((await runCli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

const mistakes: readonly [name: string, args: readonly string[], message: RegExp][] = [
  ['an unknown command', ['publsh'], /"publsh" is no command; did you mean polycast publish\?/],
  ['an unknown command with arguments', ['publsh', 'a'], /"publsh" is no command; did you mean polycast publish\?/],
  ['half a command', ['config'], /polycast config needs one more word: check, print/],
  ['half a command, and an option', ['config', '--json'], /polycast config needs one more word: check, print/],
  ['half of it unknown', ['config', 'x'], /"config x" is no command: polycast config takes check, print/],
  ['half of it nearly right', ['config', 'chek'], /"config chek" is no command; did you mean polycast config check\?/],
  ['a first word nearly right', ['confg', 'check'], /"confg" is no command; did you mean polycast config check\?/],
  ['an unknown option', ['publish', 'a', '1', '--tyep', 'x'], /--tyep is not known here; did you mean --type\?/],
  ['an option without its value', ['publish', 'a', '1', '--type'], /--type needs a value: --type TYPE/],
  ['a value for a switch', ['publish', 'a', '1', '--json=x'], /--json takes no value/],
  ['an argument too many', ['serve', 'now'], /"now" is too much: polycast serve/],
  [
    'an argument too many, as without quotes',
    ['publish', 'a', 'b', 'c'],
    /\nSuch as: polycast publish orders\.42 '\{"state"/,
  ],
  ['arguments for options', ['access', 'explain', 'a'], /\nSuch as: polycast access explain --/],
  ['an argument too few', ['completion'], /something is missing: polycast completion <shell>/],
  ['a channel that is none', ['publish', 'a..b', '1'], /"a..b" is no channel/],
  ['JSON that is none', ['publish', 'a', '{x'], /begins like JSON and is none/],
  ['no channel at all', ['publish'], /name a channel, or a --file/],
  ['data beside a file', ['publish', 'a', '1', '--file', 'x'], /exclude each other/],
  ['an address that is none', ['publish', 'a', '1', '--url', 'ftp://x'], /ftp:\/\/x is no address of a hub/],
  ['a shell that is none', ['completion', 'csh'], /"csh" is no known shell: bash, zsh, fish/],
];

test.each(mistakes)('%s is told, and ends with 2', async (_name, args, message) => {
  const { code, out, err } = await runInside(args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(message);
});

test('half a command with --help shows those that begin with it, and an example of each', async () => {
  const groups = new Set(commands.flatMap(({ name }) => name.split(' ').slice(0, -1)));
  expect(groups.size).toBeGreaterThan(5);
  for (const group of groups) {
    const within = commands.filter(({ name }) => name.startsWith(`${group} `));
    for (const args of [
      [group, '--help'],
      [group, '-h'],
      ['help', group],
    ]) {
      const { code, out, err } = await runInside(args);
      expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
      expect(out.match(/^ {2}polycast \S+ \S+ {2,}\S/gm)).toHaveLength(within.length);
      for (const { name, summary, examples } of within) {
        expect(out.replaceAll(/ +/g, ' ')).toContain(`\n polycast ${name} ${summary}\n`);
        expect(out).toContain(`\n  ${examples[0]?.command}\n`);
      }
    }
  }
});

test('a hub that does not answer ends with 69 and says what to do', async () => {
  const url = `http://127.0.0.1:${CLOSED_PORT}`;
  const { code, err } = await runCli(['publish', 'a', '1', '--url', url]);
  expect(code).toBe(69);
  expect(err).toContain(`no hub answers at ${url} (ECONNREFUSED)`);
  expect(err).toContain('polycast dev');
  expect((await runCli(['publish', '--file', '-', '--url', url], { stdin: '{}\n' })).code).toBe(69);
});

test('a hub of this machine is named by its port alone', async () => {
  const { err } = await runCli(['publish', 'a', '1', '--url', String(CLOSED_PORT)]);
  expect(err).toContain(`no hub answers at http://127.0.0.1:${CLOSED_PORT} (ECONNREFUSED)`);
});

test('what answers and is no hub is not taken for one that has failed', async () => {
  const server = createServer((_request, response) => response.writeHead(403).end('go away\n')).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, err } = await runCli(['publish', 'a', '1', '--url', String(port)]);
  expect(code).toBe(1);
  expect(err).toContain('This is no answer of a hub; is the address right? It was 403: go away');
});

test('a file that is not there ends with 1', async () => {
  const { code, err } = await runInside(['publish', '--file', '/nowhere/events.ndjson']);
  expect(code).toBe(1);
  expect(err).toMatch(/ENOENT/);
});

test('config check tells all that is wrong and ends with 78', async () => {
  const file = join(temporaryFolder(), 'hub.yaml');
  writeFileSync(file, 'lissten: a\ndrain:\n  timeMs: -1\n');
  const { code, err } = await runCli(['config', 'check', '--config', file], {
    env: { POLYCAST_LAB_ENABLED: 'perhaps' },
  });
  expect(code).toBe(78);
  expect(err).toContain(`lissten: is not a known field; did you mean \`listen\`? (${file}:1)`);
  expect(err).toContain(`(${file}:3)`);
  expect(err).toMatch(/lab\.enabled: must be .* it is "perhaps" \(POLYCAST_LAB_ENABLED\)/);
});

test('config print says where each field was set', async () => {
  const { out } = await runCli(['config', 'print', '--set', 'drain.timeMs=7'], {
    env: { POLYCAST_LISTEN: '127.0.0.1:1' },
  });
  expect(out).toMatch(/^listen: 127\.0\.0\.1:1 # POLYCAST_LISTEN$/m);
  expect(out).toMatch(/^ {2}timeMs: 7 # --set drain\.timeMs$/m);
});

test('the configuration reference is itself a right configuration, of nothing but defaults', async () => {
  const file = join(temporaryFolder(), 'hub.yaml');
  writeFileSync(file, (await runInside(['config', 'reference'])).out);
  const reference = await runInside(['config', 'print', '--config', file]);
  const defaults = await runInside(['config', 'print']);
  expect(reference.out.replaceAll(/^ *#.*\n| +#.*$/gm, '')).toBe(defaults.out);
});
