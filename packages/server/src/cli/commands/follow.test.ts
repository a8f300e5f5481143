import { CLIENT_TRANSPORTS } from '@polycast/protocol';
import type { Hub } from '../../main.ts';
import { expect, test } from 'vitest';
import { unusedPort } from '../../../../../scripts/unused-port.ts';
import { openAuthenticatedHub } from '../../testing/authenticated-hub.ts';
import {
  SERVE_OPEN,
  runCli,
  runInside,
  startCli,
  startHubProcess,
  startTestHub,
  temporaryFolder,
  type RunningCli,
} from '../testing.ts';

async function publish({ url }: Pick<Hub, 'url'>, channel: string, data: unknown, type?: string): Promise<string> {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channel, data, ...(type !== undefined && { type }) }),
  });
  return ((await response.json()) as { id: string }).id;
}

/** Starts to follow, and waits until the stream is open. */
async function following(hub: Pick<Hub, 'url'>, ...args: readonly string[]): Promise<RunningCli> {
  const cli = startCli(['follow', '--url', hub.url, ...args]);
  await cli.errMatches(/following by/);
  return cli;
}

test.each(CLIENT_TRANSPORTS)(
  'events are printed by %s as they are published, with their number at the end',
  async (transport) => {
    const hub = await startTestHub();
    const cli = await following(hub, 'orders.*', '--transport', transport, '--count', '2', '--json');
    await publish(hub, 'other', 0);
    await publish(hub, 'orders.1', { state: 'baked' }, 'order.baked');
    await publish(hub, 'orders.2', 'ü');
    const { code, out, err } = await cli.ended;
    expect(code).toBe(0);
    expect(err).toBe(`following by ${transport}\n`);
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(events).toMatchObject([
      { channel: 'orders.1', type: 'order.baked', data: { state: 'baked' } },
      { channel: 'orders.2', data: 'ü' },
    ]);
  },
);

test('on a terminal an event is one line, whatever it contains', async () => {
  const hub = await startTestHub();
  await publish(hub, 'a', { text: 'x\u001B[2J\u009B1m\n' }, 'over');
  await fetch(`${hub.url}/v1/channels/a/events`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: 'bytes',
  });
  const { out } = await runCli(['follow', 'a', '--after', 'earliest', '--count', '2', '--quiet', '--url', hub.url]);
  expect(out).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} a over \{"text":"x\\u001b\[2J\\u009b1m\\n"\}\n[\d:.]+ a \(5 bytes of image\/png\)\n$/,
  );
});

test('it begins after a cursor, with the last N, or with only some types', async () => {
  const hub = await startTestHub();
  const ids = [await publish(hub, 'a', 1, 'x'), await publish(hub, 'a', 2, 'y'), await publish(hub, 'a', 3, 'x')];
  const data = async (...args: readonly string[]): Promise<string[]> => {
    const { out } = await runCli(['follow', 'a', '--url', hub.url, '--quiet', '--json', ...args]);
    return out
      .trim()
      .split('\n')
      .map((line) => String((JSON.parse(line) as { data: unknown }).data));
  };
  expect(await data('--after', `${ids[0]}`, '--count', '2')).toEqual(['2', '3']);
  expect(await data('--history', '1', '--count', '1')).toEqual(['3']);
  expect(await data('--after', 'earliest', '--type', 'x', '--count', '2')).toEqual(['1', '3']);
});

test('it survives a restart of the hub and misses nothing', async () => {
  const data = temporaryFolder();
  const serve = [
    ...SERVE_OPEN,
    '--data',
    data,
    '--set',
    'drain.timeMs=100',
    '--set',
    'delivery.reconnectMs=100',
    '--listen',
    // The kernel could give a port of its own choice to another program before the second hub.
    `127.0.0.1:${await unusedPort()}`,
  ];
  const first = await startHubProcess(serve);
  const cli = await following(first, 'a', '--count', '2', '--json');
  await publish(first, 'a', 1);
  await cli.outMatches(/"data":1/);
  first.cli.child.kill('SIGTERM');
  await first.cli.ended;
  const second = await startHubProcess(serve);
  await publish(second, 'a', 2);
  const { code, out } = await cli.ended;
  expect(code).toBe(0);
  expect(out.trim().split('\n')).toHaveLength(2);
});

test('Ctrl-C ends it with 0 and prints how to continue', async () => {
  const hub = await startTestHub();
  const cli = await following(hub, 'a.*');
  const id = await publish(hub, 'a.b', 1);
  await cli.outMatches(/a\.b 1/);
  cli.child.kill('SIGINT');
  const { code, err } = await cli.ended;
  expect(code).toBe(0);
  expect(err).toContain(`to continue: npx polycast follow 'a.*' --after ${id}`);
});

test('a cursor from before a new epoch receives a gap, and reading continues', async () => {
  const hubs = [await startTestHub(), await startTestHub()] as const;
  const ids = [await publish(hubs[0], 'x', 1), await publish(hubs[1], 'x', 1)] as const;
  // Two epochs of nearly the same time may sort either way: the one that sorts first is the
  // previous log.
  const [before, hub] = ids[0] < ids[1] ? [ids[0], hubs[1]] : [ids[1], hubs[0]];
  const cli = startCli(['follow', 'a', '--after', before, '--url', hub.url, '--count', '1', '--json']);
  await cli.errMatches(/gap: events after .* they belong to an earlier log/);
  await publish(hub, 'a', 2);
  expect((await cli.ended).out).toContain('"data":2');
});

test.each(CLIENT_TRANSPORTS)(
  "with a user's token, @me receives the user's private messages, by %s",
  async (transport) => {
    const hub = await openAuthenticatedHub({}, 1);
    await hub.administer('POST', '/v1/users/ann/events', { data: 'a letter' });
    const way = ['--transport', transport, '--after', 'earliest', '--count', '1', '--json', '--quiet'];
    const { code, out } = await runCli(['follow', '@me', ...way, '--url', hub.url, '--key', hub.token('ann')]);
    expect([code, JSON.parse(out)]).toMatchObject([0, { channel: 'polycast.private.ann', data: 'a letter' }]);
  },
);

test('without a token, @me is refused with the reason', async () => {
  const hub = await openAuthenticatedHub({}, 1);
  const { code, err } = await runCli(['follow', '@me', '--url', hub.url]);
  expect(code).not.toBe(0);
  expect(err).toContain('@me is the private channel of a user');
});

test('it ends when the reader of its output ends', async () => {
  const hub = await startTestHub();
  const cli = await following(hub, 'a');
  cli.child.stdout.destroy();
  await publish(hub, 'a', 1);
  await publish(hub, 'a', 2);
  expect((await cli.ended).code).toBe(0);
});

test.each([
  [['follow'], /an argument is missing: polycast follow/],
  [['follow', 'a..b'], /neither a channel nor a pattern/],
  [['follow', 'a', '--transport', 'webscket'], /did you mean websocket\?/],
  [['follow', 'a', '--after', 'x'], /must be a cursor, earliest or now/],
  [['follow', 'a', '--after', 'now', '--history', '1'], /exclude each other/],
  [['follow', 'a', '--history', '1001'], /at most 1000/],
  [['follow', 'a', '--count', 'many'], /must be a whole number of at least 1/],
])('%j prints an error that names the mistake', async (args, message) => {
  const { code, err } = await runInside(args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
