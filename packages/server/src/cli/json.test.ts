import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../config/parse.ts';
import { startHub } from '../main.ts';
import { openEndpoint, openSubscriptionHub, waitUntil } from '../testing/subscription-hub.ts';
import { JSON_LINES, type Command } from './command.ts';
import { loadCommands } from './commands.ts';
import { runCli, runInside, startCli, temporaryFolder } from './testing.ts';

const commands = await loadCommands();

/** The commands that print one line of JSON for each entry, and not one document. */
function printsLines({ options: { json } }: Command): boolean {
  return json?.doc.startsWith(JSON_LINES.doc) === true;
}

test.each(commands.map((command) => [command.name, command] as const))(
  'polycast %s has --json',
  (_name, { options }) => {
    expect(options['json']).toMatchObject({ doc: expect.stringMatching(/one JSON document|as one line of JSON/) });
    expect(options['json']?.value).toBeUndefined();
  },
);

/** The command with this name, and whether its output has its declared form. */
function checkOutput(name: string, out: string): readonly unknown[] {
  const command = commands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`${name} is not a command`);
  const lines = out.trimEnd().split('\n');
  if (!printsLines(command)) expect([name, lines.length]).toEqual([name, 1]);
  return lines.map((line) => JSON.parse(line) as unknown);
}

test('commands for a running hub print JSON', async () => {
  const endpoint = await openEndpoint((_received, response) => void response.writeHead(500).end());
  const hub = await openSubscriptionHub();
  const event = await hub.publish('orders.1', 1);
  const once = { kind: 'webhook', url: endpoint.url, retryDelaysSeconds: [] };
  const { id: webhook } = await hub.create({ channels: ['orders.>'], delivery: once, start: 'earliest' });
  const { id: queue } = await hub.create({ channels: ['orders.>'], delivery: { kind: 'pull' }, start: 'earliest' });
  const letters = `/v1/subscriptions/${String(webhook)}/dead-letters`;
  await waitUntil(async () => expect((await hub.ask('GET', letters)).body['deadLetters']).toHaveLength(1));

  const run = async (name: string, ...args: readonly unknown[]): Promise<readonly unknown[]> => {
    const { out, err } = await runInside([...name.split(' '), ...args.map(String), '--json', '--url', hub.url]);
    if (out === '') throw new Error(`${name}: ${err}`);
    return checkOutput(name, out);
  };
  await run('publish', 'orders.2', '1');
  await run('follow', 'orders.>', '--after', 'earliest', '--count', 2);
  await run('listen', 'orders.>', '--after', 'earliest', '--count', 1);
  expect(await run('status')).toMatchObject([{ ready: true }]);
  expect(await run('channels', 'orders.>')).toMatchObject([{ channel: 'orders.1' }, { channel: 'orders.2' }]);
  expect(await run('doctor')).toMatchObject([{ findings: expect.any(Array) }]);
  await run('subscriptions create', 'a', '--pull');
  expect(await run('subscriptions list')).toHaveLength(3);
  await run('subscriptions show', queue);
  await run('subscriptions change', queue, '--description', 'x');
  expect(await run('subscriptions pause', queue)).toMatchObject([{ id: queue, state: 'paused' }]);
  expect(await run('subscriptions resume', queue)).toMatchObject([{ id: queue, state: 'active' }]);
  const leased = await run('subscriptions pull', queue, '-n', 2);
  const [first, second] = leased as readonly { readonly lease: string }[];
  await run('subscriptions extend', queue, first?.lease);
  await run('subscriptions ack', queue, first?.lease);
  await run('subscriptions nack', queue, second?.lease);
  await run('subscriptions trace', event);
  await run('subscriptions attempts', webhook);
  await run('subscriptions dead-letters', webhook);
  await run('subscriptions test', webhook);
  await run('subscriptions replay', webhook, '--after', 'earliest');
  await run('subscriptions rotate-secret', webhook);
  expect(await run('subscriptions delete', queue)).toEqual([{ id: queue, deleted: true }]);
});

test('commands for a data folder print JSON', async () => {
  const data = temporaryFolder();
  await (await startHub(parseConfig({ listen: '127.0.0.1:0', data, logging: { level: 'silent' } }))).close();
  const run = async (name: string, ...args: readonly string[]): Promise<readonly unknown[]> => {
    const { out, err } = await runInside([...name.split(' '), ...args, '--json', '--data', data]);
    if (out === '') throw new Error(`${name}: ${err}`);
    return checkOutput(name, out);
  };
  const [created] = (await run('keys create', 'made', '--admin')) as readonly { readonly id: string }[];
  const id = created?.id ?? '';
  expect(await run('keys list')).toHaveLength(2);
  await run('keys rotate', id);
  expect(await run('keys revoke', id)).toEqual([{ id, revoked: true }]);
  expect(await run('revoke', 'user', 'ann')).toEqual([{ kind: 'user', name: 'ann', revoked: true }]);
  expect((await run('audit')).length).toBeGreaterThan(3);
  expect(await run('access explain', '--user', 'ann', '--subscribe', 'a')).toMatchObject([{ allowed: false }]);
  expect(await run('epoch renew')).toEqual([{ folder: data, epoch: expect.stringMatching(/^\w{10}$/) }]);
  expect(await run('config print', '--set', 'drain.timeMs=7')).toMatchObject([
    { config: { drain: { timeMs: 7 } }, origins: { 'drain.timeMs': '--set drain.timeMs' } },
  ]);
  expect(await run('config check')).toMatchObject([{ valid: true, problems: [], warnings: [] }]);
});

test('config check prints problems as JSON, and ends with 78', async () => {
  const { code, out } = await runInside(['config', 'check', '--json', '--set', 'drain.timeMs=x', '--set', 'lab=1']);
  expect(code).toBe(78);
  expect(checkOutput('config check', out)).toMatchObject([
    { valid: false, problems: [{ path: 'drain.timeMs' }, { path: 'lab' }] },
  ]);
});

test('commands without a hub print JSON', async () => {
  expect(checkOutput('completion', (await runInside(['completion', 'bash', '--json'])).out)).toMatchObject([
    { shell: 'bash', script: expect.stringContaining('complete') },
  ]);
  const fields = checkOutput('config reference', (await runInside(['config', 'reference', '--json'])).out);
  expect(fields[0]).toMatchObject({ path: 'listen', environment: 'POLYCAST_LISTEN' });
  const request = 'POST /hook HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}';
  const verified = await runCli(['webhook', 'verify', '--json', '--secret', `whsec_${'A'.repeat(32)}`], {
    stdin: request,
  });
  expect(checkOutput('webhook verify', verified.out)).toMatchObject([{ valid: false, result: expect.any(String) }]);
});

test.each(['serve', 'dev'])('%s prints its address and process as JSON', async (command) => {
  const cli = startCli([command, '--json', '--port', '0', '--data', ':memory:']);
  onTestFinished(() => void cli.child.kill('SIGKILL'));
  const [line] = await cli.outMatches(/^\{"url".*\}$/m);
  expect(checkOutput(command, line)).toMatchObject(
    [{ url: /^http/, pid: cli.child.pid, data: ':memory:' }].map((each) => ({
      ...each,
      url: expect.stringContaining('http://127.0.0.1:'),
    })),
  );
});
