import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { commandNames, loadCommands } from './commands.ts';
import { pasteable } from './pasteable.ts';
import { CLOSED_PORT, runCli, runInside, temporaryFolder } from './testing.ts';

const commands = await loadCommands();

test('without a command it prints a short list of commands', async () => {
  const { code, out, err } = await runInside([]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const { name, summary } of commands) expect(out.replaceAll(/ +/g, ' ')).toContain(`\n ${name} ${summary}\n`);
});

test('every command is found by its own name', () => {
  expect(commands.map(({ name }) => name)).toEqual(commandNames);
});

test('every command has help with its options and examples', async () => {
  const helps = await Promise.all(commands.map(({ name }) => runInside([...name.split(' '), '--help'])));
  for (const [index, { name, options, examples }] of commands.entries()) {
    const { code, out } = helps[index] as { code: number; out: string };
    expect(code, name).toBe(0);
    for (const option of Object.keys(options)) expect(out).toContain(`--${option}`);
    for (const { command } of examples) expect(out).toContain(pasteable(command));
  }
});

test('a command that listens nowhere offers no address, and exit codes are in the general help alone', async () => {
  for (const name of ['backup', 'restore']) {
    const { out } = await runInside([name, '--help']);
    expect(out).toContain('--data');
    expect(out).not.toMatch(/--listen|--port|Exit codes/);
  }
  expect((await runInside(['--help'])).out).toContain('Exit codes  0 done, 1 failed, 2 usage');
});

test('the usage of a command shows its options of which one is required', async () => {
  const usages = [
    [['why'], '<event> (--user USER | --session SESSION | --subscription ID | --channel CHANNEL) [options]'],
    [['access', 'explain'], '(--subscribe CHANNEL | --publish CHANNEL | --history CHANNEL | --presence CHANNEL) ['],
    [['subscriptions', 'create'], '<pattern…> (--webhook URL | --pull) [options]'],
    [['subscriptions', 'ack'], '<id> (<lease…> | --through EVENT) [options]'],
    [['keys', 'create'], '(--publish PATTERN | --subscribe PATTERN | --subscriptions PATTERN | --users | --admin)… ['],
  ] as const;
  for (const [words, usage] of usages) expect((await runInside([...words, '--help'])).out).toContain(usage);
});

test('colours are printed into a pipe only on request', async () => {
  expect((await runCli(['--help'])).out).not.toContain('\u001B[');
  expect((await runCli(['--help'], { env: { FORCE_COLOR: '1' } })).out).toContain('\u001B[');
});

test('the version is that of the package', async () => {
  expect((await runCli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

const mistakes: readonly [name: string, args: readonly string[], message: RegExp][] = [
  ['an unknown command', ['publsh'], /"publsh" is not a command; did you mean polycast publish\?/],
  ['an unknown command with arguments', ['publsh', 'a'], /"publsh" is not a command; did you mean polycast publish\?/],
  ['half a command', ['config'], /polycast config needs one more word: check, print/],
  ['half a command, and an option', ['config', '--json'], /polycast config needs one more word: check, print/],
  ['half of it unknown', ['config', 'x'], /"config x" is not a command: polycast config takes check, print/],
  [
    'half of it nearly right',
    ['config', 'chek'],
    /"config chek" is not a command; did you mean polycast config check\?/,
  ],
  ['a first word nearly right', ['confg', 'check'], /"confg" is not a command; did you mean polycast config check\?/],
  ['an unknown option', ['publish', 'a', '1', '--tyep', 'x'], /unknown option --tyep; did you mean --type\?/],
  ['a host, as others have it', ['dev', '--host', '::1'], /unknown option --host; did you mean --listen HOST:PORT\?/],
  ['a port of a hub', ['publish', 'a', '1', '--port=1'], /did you mean --url http:\/\/HOST:PORT\?/],
  ['an option without its value', ['publish', 'a', '1', '--type'], /--type needs a value: --type TYPE/],
  ['a value for a switch', ['publish', 'a', '1', '--json=x'], /--json takes no value/],
  ['an argument too many', ['serve', 'now'], /unexpected argument "now": polycast serve/],
  [
    'an argument too many, as without quotes',
    ['publish', 'a', 'b', 'c'],
    /\nExample: npx polycast publish orders\.42 '\{"state"/,
  ],
  ['arguments for options', ['access', 'explain', 'a'], /\nExample: npx polycast access explain --/],
  ['an argument too few', ['completion'], /an argument is missing: polycast completion <shell>/],
  ['an invalid channel', ['publish', 'a..b', '1'], /"a..b" is not a channel/],
  ['invalid JSON', ['publish', 'a', '{x'], /begins like JSON but is not valid JSON/],
  [
    'no reader',
    ['why', '0t24qj92dx-00000000010'],
    /give one of --user USER, --session SESSION, --subscription ID, --channel CHANNEL\n/,
  ],
  ['no action', ['access', 'explain'], /give one of --subscribe CHANNEL, --publish CHANNEL/],
  ['no delivery', ['subscriptions', 'create', 'a'], /give one of --webhook URL, --pull\n/],
  ['no scope', ['keys', 'create', 'a'], /give at least one of --publish PATTERN, --subscribe PATTERN/],
  ['no channel at all', ['publish'], /name a channel, or a --file/],
  ['data together with a file', ['publish', 'a', '1', '--file', 'x'], /exclude each other/],
  ['an invalid address', ['publish', 'a', '1', '--url', 'ftp://x'], /ftp:\/\/x is not the URL of a hub/],
  ['an unknown shell', ['completion', 'csh'], /"csh" is not a known shell: bash, zsh, fish/],
];

test.each(mistakes)('%s prints an error, and ends with 2', async (_name, args, message) => {
  const { code, out, err } = await runInside(args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(message);
});

test('an incomplete command with --help lists the commands that begin with it, and an example of each', async () => {
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
        expect(out).toContain(`\n  ${pasteable(examples[0]?.command ?? '')}\n`);
      }
    }
  }
});

test('a hub that does not answer ends with 69 and the next step', async () => {
  const url = `http://127.0.0.1:${CLOSED_PORT}`;
  const { code, err } = await runCli(['publish', 'a', '1', '--url', url]);
  expect(code).toBe(69);
  expect(err).toContain(`no hub answers at ${url} (ECONNREFUSED)`);
  expect(err).toContain('polycast dev');
  expect((await runCli(['publish', '--file', '-', '--url', url], { stdin: '{}\n' })).code).toBe(69);
});

test('a hub with an untrusted certificate, or without TLS, is reported as reachable', async () => {
  const folder = temporaryFolder();
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', [...made, '-subj', '/CN=localhost', '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  const servers = [
    createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }),
    createServer((_request, response) => response.end()),
  ];
  const answers = [/the certificate of \S+ is not trusted \(\w+\)\n.*NODE_EXTRA_CA_CERTS/, /does not use TLS/];
  for (const [index, server] of servers.entries()) {
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, err } = await runCli(['publish', 'a', '1', '--url', url]);
    expect(code).toBe(69);
    expect(err).toMatch(answers[index] as RegExp);
  }
});

test('a local hub can be named by its port alone', async () => {
  const { err } = await runCli(['publish', 'a', '1', '--url', String(CLOSED_PORT)]);
  expect(err).toContain(`no hub answers at http://127.0.0.1:${CLOSED_PORT} (ECONNREFUSED)`);
});

test('a server that is not a hub is reported as such', async () => {
  const server = createServer((_request, response) => response.writeHead(403).end('go away\n')).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, err } = await runCli(['publish', 'a', '1', '--url', String(port)]);
  expect(code).toBe(1);
  expect(err).toContain('This is not the response of a hub. Is the URL correct? The response was 403: go away');
});

test('a missing file ends with 1', async () => {
  const { code, err } = await runInside(['publish', '--file', '/nowhere/events.ndjson']);
  expect(code).toBe(1);
  expect(err).toMatch(/ENOENT/);
});

test('config check prints all problems and ends with 78', async () => {
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

test('config print shows the source of each field', async () => {
  const { out } = await runCli(['config', 'print', '--set', 'drain.timeMs=7'], {
    env: { POLYCAST_LISTEN: '127.0.0.1:1' },
  });
  expect(out).toMatch(/^listen: 127\.0\.0\.1:1 # POLYCAST_LISTEN$/m);
  expect(out).toMatch(/^ {2}timeMs: 7 # --set drain\.timeMs$/m);
});

test('the configuration reference is itself a valid configuration, with defaults only', async () => {
  const file = join(temporaryFolder(), 'hub.yaml');
  writeFileSync(file, (await runInside(['config', 'reference'])).out);
  const reference = await runInside(['config', 'print', '--config', file]);
  const defaults = await runInside(['config', 'print']);
  expect(reference.out.replaceAll(/^ *#.*\n| +#.*$/gm, '')).toBe(defaults.out);
});
