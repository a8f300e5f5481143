import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createReceiver, type PolycastEvent } from '@polycast/client/webhooks';
import { expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../../../../../../scripts/unused-port.ts';
import {
  CLOSED_PORT,
  runCli,
  runInside,
  SERVE_OPEN,
  startCli,
  startHubProcess,
  startTestHub,
  temporaryFolder,
  type CliResult,
  type RunningCli,
} from '../../testing.ts';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

interface Site {
  readonly url: string;
  readonly events: PolycastEvent[];
  /** Called for each event; an error that it throws gives the answer 500. */
  handler: (event: PolycastEvent) => unknown;
}

async function startSite(secret = SECRET): Promise<Site> {
  const events: PolycastEvent[] = [];
  const site = { url: '', events, handler: (): unknown => undefined } as Site & { url: string };
  const receiver = createReceiver({ secrets: secret, onError: () => undefined }, (event) => {
    events.push(event);
    return site.handler(event);
  });
  const server = createServer((request, response) => void receiver.node(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  site.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return site;
}

async function publish(
  { url }: { readonly url: string },
  channel: string,
  body: string,
  type = 'baked',
): Promise<string> {
  const headers = { 'content-type': 'application/json', 'polycast-type': type };
  const response = await fetch(`${url}/v1/channels/${channel}/events`, { method: 'POST', headers, body });
  return ((await response.json()) as { id: string }).id;
}

async function listening(hub: { readonly url: string }, ...args: readonly string[]): Promise<RunningCli> {
  const cli = startCli(['listen', '--url', hub.url, ...args]);
  await cli.errMatches(/listening for/);
  return cli;
}

test('each event is posted as a signed webhook, and printed with its answer', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  const cli = await listening(hub, 'orders.*', '--forward', site.url, '--secret', SECRET, '--count', '2');
  await publish(hub, 'other', '0');
  await publish(hub, 'orders.1', '{"state":"baked","exact":1234567890123456789012}');
  await publish(hub, 'orders.2', '2');
  const { code, out, err } = await cli.ended;
  expect(code).toBe(0);
  expect(out).toMatch(/^a [\d:.]+ orders\.1 baked 204 in [\d.]+ ms\n/m);
  expect(out).toMatch(/^b [\d:.]+ orders\.2 baked 204 in [\d.]+ ms\n/m);
  expect(site.events.map(({ channel }) => channel).toSorted()).toEqual(['orders.1', 'orders.2']);
  expect(err).toContain(`listening for orders.*; forwarding to ${site.url}`);
  expect(err).not.toContain('signed with');
});

test('without a given secret it creates one, and prints it', async () => {
  const hub = await startTestHub();
  const cli = startCli(['listen', '--url', hub.url, '--forward', '127.0.0.1:9/', '--count', '1']);
  const [, secret = ''] = await cli.errMatches(/signed with (whsec_\S+),/);
  expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(24);
});

test('a failed delivery is printed with the reason, and repeated by its letter', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  site.handler = () => Promise.reject(new Error('down'));
  const cli = await listening(hub, '--forward', site.url, '--secret', SECRET);
  await publish(hub, 'a', '1');
  await cli.outMatches(/^a [\d:.]+ a baked 500 in [\d.]+ ms the handler failed\n/m);
  site.handler = () => undefined;
  cli.child.stdin.write('a');
  await cli.outMatches(/^a [\d:.]+ a baked attempt 2: 204 in/m);
  expect(site.events[0]).toEqual(site.events[1]);
  cli.child.stdin.write('\u0003');
  expect((await cli.ended).code).toBe(0);
});

test('a closed port is shown as the outcome', async () => {
  const hub = await startTestHub();
  const cli = await listening(hub, '--forward', `127.0.0.1:${CLOSED_PORT}`, '--secret', SECRET, '--count', '1');
  await publish(hub, 'a', '1');
  const { out, err } = await cli.ended;
  expect(out).toMatch(/ a baked ECONNREFUSED in/);
  expect(err).toContain(`No server listens at http://127.0.0.1:${CLOSED_PORT}/: start yours`);
});

test('a server that refuses the temporary secret gets a hint, once', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  const cli = await listening(hub, '--forward', site.url, '--count', '2');
  await publish(hub, 'a', '1');
  await publish(hub, 'a', '2');
  const { out, err } = await cli.ended;
  expect(out.match(/ 401 in /g)).toHaveLength(2);
  expect(err.match(/run the command with --secret/g)).toHaveLength(1);
});

test('--channel prints the events of that channel alone', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  const { promise, resolve } = Promise.withResolvers<void>();
  site.handler = ({ data }) => (data === 'slow' ? promise : undefined);
  const cli = await listening(hub, '--forward', site.url, '--secret', SECRET);
  await publish(hub, 'a', '"slow"');
  // Each request has its own connection and its own thread for verification: the later one could
  // finish first.
  await expect.poll(() => site.events.length).toBe(1);
  await publish(hub, 'a', '"behind it"');
  const id = await publish(hub, 'b', '"beside it"');
  await cli.outMatches(/^c .* b baked 204/m);
  expect(site.events.map(({ data }) => data)).toEqual(['slow', 'beside it']);
  resolve();
  await cli.outMatches(/^b .* a baked 204/m);
  expect(site.events.map(({ data }) => data)).toEqual(['slow', 'beside it', 'behind it']);
  cli.child.kill('SIGINT');
  expect((await cli.ended).err).toContain(`to continue: the same command with --after ${id}`);
});

test('webhook verify accepts a printed request', async () => {
  const hub = await startTestHub();
  await publish(hub, 'a', '{"text":"é"}');
  const args = ['listen', 'a', '--url', hub.url, '--secret', SECRET, '--after', 'earliest', '--count', '1'];
  const { out } = await runCli(args);
  expect(out).toMatch(/^POST \/ HTTP\/1\.1\nhost: /);
  expect(await verified(out)).toMatchObject({ code: 0, out: expect.stringMatching(/^valid: /), err: '' });
});

async function verified(kept: string | Uint8Array): Promise<CliResult> {
  const file = join(temporaryFolder(), 'request.http');
  writeFileSync(file, kept);
  return runInside(['webhook', 'verify', file, '--secret', SECRET]);
}

test.each([
  ['bytes that are no text', Buffer.from([0xff, 0, 10, 13, 10])],
  ['a byte order mark and a line break at the end', Buffer.from('\uFEFFa\r\n')],
  ['nothing at all', Buffer.alloc(0)],
])('a request with %s is shown as it was signed', async (_what, body) => {
  const hub = await startTestHub();
  await fetch(`${hub.url}/v1/channels/a/events`, { method: 'POST', headers: { 'content-type': 'image/png' }, body });
  const args = ['listen', 'a', '--url', hub.url, '--secret', SECRET, '--after', 'earliest', '--count', '1'];
  const cli = startCli([...args, '--format', 'data']);
  cli.child.stdout.setEncoding('latin1');
  const kept = Buffer.from((await cli.ended).out, 'latin1');
  expect(kept.subarray(-body.length - 3)).toEqual(Buffer.concat([Buffer.from('\n\n'), body, Buffer.from('\n')]));
  expect((await verified(kept)).out).toMatch(/^valid: /);
  const { out } = await runCli([...args, '--format', 'data', '--json']);
  const { body: text, body_base64: base64 } = JSON.parse(out) as { body?: string; body_base64?: string };
  expect(base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64')).toEqual(body);
});

test('with --forward and --print, standard output contains the requests alone, one after the other', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  await publish(hub, 'a', '1');
  await publish(hub, 'a', '2');
  const args = ['listen', 'a', '--url', hub.url, '--secret', SECRET, '--after', 'earliest', '--count', '2', '--print'];
  const { out, err } = await runCli([...args, '--forward', site.url]);
  expect(out.match(/^POST \/hook HTTP\/1\.1$/gm)).toHaveLength(2);
  expect(err).toMatch(/^b .* a baked 204 in/m);
  expect(await verified(out)).toMatchObject({
    out: expect.stringMatching(/^valid: /),
    err: 'The file contains several requests. The command checks the first.\n',
  });
});

test.each(['event', 'data', 'cloudevents', 'cloudevents-binary'])(
  "the SDK's receiver accepts the format %s",
  async (format) => {
    const [hub, site] = [await startTestHub(), await startSite()];
    const id = await publish(hub, 'orders.1', '{"text":"é","exact":1}', 'order.baked');
    const args = ['--secret', SECRET, '--after', 'earliest', '--count', '1', '--format', format];
    const { out } = await runCli(['listen', '--url', hub.url, '--forward', site.url, ...args]);
    expect(out).toMatch(/ 204 in /);
    expect(site.events).toMatchObject([
      {
        id,
        channel: 'orders.1',
        type: 'order.baked',
        time: expect.stringMatching(/Z$/) as string,
        data: { text: 'é', exact: 1 },
      },
    ]);
  },
);

test('--json prints what was sent and what was answered', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  const id = await publish(hub, 'a', '1.50');
  const args = ['listen', 'a', '--url', hub.url, '--secret', SECRET, '--after', 'earliest', '--count', '1', '--json'];
  const { out } = await runCli([...args, '--forward', site.url]);
  const line = JSON.parse(out) as { body: string };
  expect(line).toMatchObject({
    event: id,
    channel: 'a',
    attempt: 1,
    headers: { 'webhook-id': id },
    answer: { status: 204 },
  });
  expect(line.body).toContain('"data":1.50');
});

test('a filter and headers work as for a subscription', async () => {
  const [hub, site] = [await startTestHub(), await startSite()];
  await publish(hub, 'a', '{"total":5}');
  const id = await publish(hub, 'a', '{"total":50}');
  const filter = '{"greater":["/data/total",10]}';
  const options = ['--filter', filter, '--header', 'X-Tenant: 42', '--header', 'x-colour:red: dark'];
  const args = ['listen', '--url', hub.url, '--after', 'earliest', '--count', '1', '--json', '--secret', SECRET];
  const { out } = await runCli([...args, '--forward', site.url, ...options]);
  expect(JSON.parse(out)).toMatchObject({
    event: id,
    headers: { 'x-tenant': '42', 'x-colour': 'red: dark' },
    answer: { status: 204 },
  });
  expect(site.events.map(({ data }) => data)).toEqual([{ total: 50 }]);
});

test('it survives a restart of the hub and misses nothing', async () => {
  const data = temporaryFolder();
  const serve = [...SERVE_OPEN, '--data', data, '--set', 'drain.timeMs=100'];
  // The kernel could give a port of its own choice to another program before the second hub.
  serve.push('--listen', `127.0.0.1:${await unusedPort()}`);
  const [first, site] = [await startHubProcess(serve), await startSite()];
  const cli = await listening(first, 'a', '--forward', site.url, '--secret', SECRET, '--count', '2');
  await publish(first, 'a', '1');
  await cli.outMatches(/204/);
  first.cli.child.kill('SIGTERM');
  await first.cli.ended;
  const second = await startHubProcess(serve);
  await publish(second, 'a', '2');
  expect((await cli.ended).code).toBe(0);
  expect(site.events.map(({ data: number }) => number)).toEqual([1, 2]);
});

test('a hub that refuses it later ends it, after the events that it has', async () => {
  const serve = [...SERVE_OPEN, '--data', temporaryFolder(), '--set', 'drain.timeMs=100'];
  serve.push('--listen', `127.0.0.1:${await unusedPort()}`);
  const [first, site] = [await startHubProcess(serve), await startSite()];
  const refused = Promise.withResolvers<void>();
  site.handler = () => refused.promise;
  const cli = await listening(first, 'a', '--forward', site.url, '--secret', SECRET);
  const id = await publish(first, 'a', '1');
  await expect.poll(() => site.events.length).toBe(1);
  first.cli.child.kill('SIGTERM');
  await first.cli.ended;
  await startHubProcess([...serve, '--set', 'access=rules']);
  // Its process would have ended by then, if it did not wait for the answer.
  setTimeout(refused.resolve, 6_000);
  expect(await cli.ended).toMatchObject({
    code: 1,
    out: expect.stringMatching(/ a baked 204 in /),
    err: expect.stringMatching(new RegExp(`to continue: .* --after ${id}\n.*refused: `)),
  });
});

test.each([
  [['listen', 'a..b'], /neither a channel nor a pattern/],
  [['listen', '--forward', 'http://'], /must be a URL such as/],
  [['listen', '--forward', 'ftp://localhost:3000/'], /must be a URL such as/],
  [['listen', '--forward', '/hook'], /must be a URL such as/],
  [['listen', '--forward', '99999'], /must be a URL such as/],
  [['listen', '--forward', 'http:///hook'], /must be a URL such as/],
  [['listen', '--forward', 'mailto:ann@shop.example'], /must be a URL such as/],
  [['listen', '--forward', ''], /must be a URL such as/],
  [['listen', '--secret', 'whsec_AAAA'], /a secret must be whsec_ and 24 to 64 bytes/],
  [['listen', '--after', 'x'], /a cursor, earliest or now/],
  [['listen', '--filter', "{'equals'"], /--filter: must be JSON such as \{"equals":/],
  [['listen', '--filter', '{"equal":["/data/a",1]}'], /--filter: .*the operator must be one of all, any/],
  [
    ['listen', '--filter', '{"all":[{"equals":["data/a",1]}]}'],
    /--filter: At \/all\/0\/equals\/0, the operand must be a JSON pointer/,
  ],
  [['listen', '--header', 'x-tenant'], /--header x-tenant: must be NAME: TEXT/],
  [['listen', '--header', 'Host: shop.example'], /--header may not set host/],
  [['listen', '--header', 'Webhook-Id: 1'], /--header may not set webhook-id/],
  [['listen', '--header', 'x: ü'], /--header must have a string of at most 4096 ASCII characters for x/],
  [['listen', '--header', 'X-A: 1', '--header', 'x-a: 2'], /--header has x-a twice/],
  [['subscriptions', 'create', 'a', '--pull', '--header', 'X: 1', '--header', 'X: 2'], /--header has X twice/],
  [['subscriptions', 'create', 'a', '--pull', '--metadata', 'a=1', '--metadata', 'a=2'], /--metadata has a twice/],
])('%j prints an error that names the mistake', async (args, message) => {
  const { code, err } = await runInside(args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('without a hub it exits with a message', async () => {
  const { code, err } = await runCli(['listen', '--url', 'http://127.0.0.1:1']);
  expect(code).toBe(69);
  expect(err).toContain('no hub answers');
});
