import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { polycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, publish, type Reply } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** In the data of every event for the user who is erased. */
const MARKER = 'marker-of-the-erased-user';
const EVENTS = 3_000;

const ask = ({ url }: HubProcess, method: string, path: string, body?: object): Promise<Reply> =>
  call(url + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });

/** The files of the data folder that hold the marker. */
function filesWithMarker(data: string): string[] {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => readFileSync(file).includes(MARKER));
}

/** An endpoint that refuses each request. */
async function openRefusing(): Promise<string> {
  const server = createServer(
    (request, response) => void request.resume().on('end', () => response.writeHead(500).end()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface ErasureView {
  readonly id: string;
  readonly state: string;
  readonly events: number;
}

/**
 * When the hub is killed: at once, when it works, and when some events are gone.
 * A fast hub may have finished.
 */
const KILL_MOMENTS: readonly ((erasure: ErasureView) => boolean)[] = [
  () => true,
  ({ state }) => state !== 'pending',
  ({ state, events }) => events > 0 || state === 'finished',
];

async function erasures(hub: HubProcess): Promise<readonly ErasureView[]> {
  return (await ask(hub, 'GET', '/v1/erasures')).json<{ erasures: ErasureView[] }>().erasures;
}

/**
 * Private messages, between events of a shared channel,
 * of sizes with and without pages of their own.
 */
async function fill(hub: HubProcess): Promise<void> {
  const lines = Array.from({ length: EVENTS }, (_, index) => {
    const isPrivate = index % 2 === 0;
    const text = 'x'.repeat([10, 400, 6_000][index % 3] ?? 0);
    const channel = isPrivate ? 'polycast.private.ann' : `orders.${index % 50}`;
    return JSON.stringify({ channel, data: isPrivate ? `${MARKER} ${index} ${text}` : `kept ${text}` });
  });
  const reply = await call(`${hub.url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  if (reply.status !== 200) throw new Error(reply.text);
}

test('an erasure that kill -9 ends at any moment is finished after the restart, and no file has a byte left', async () => {
  const data = temporaryFolder('erased');
  const endpoint = await openRefusing();
  const config = {
    access: 'loopback',
    outgoing: { allow: [new URL(endpoint).host] },
    subscriptions: { trustedEndpoints: [endpoint] },
  };
  let hub = await startHubProcess({ data, config });
  const delivery = { kind: 'webhook', url: endpoint, retryDelaysSeconds: [] };
  const created = await ask(hub, 'POST', '/v1/subscriptions', { channels: ['polycast.private.ann'], delivery });
  const { id: subscription } = created.json<{ id: string }>();
  await fill(hub);
  const deadLetters = async (): Promise<readonly unknown[]> =>
    (await ask(hub, 'GET', `/v1/subscriptions/${subscription}/dead-letters`)).json<{ deadLetters: unknown[] }>()
      .deadLetters;
  await until('there are dead letters', async () => (await deadLetters()).length > 5);
  expect(filesWithMarker(data)).not.toEqual([]);

  expect((await ask(hub, 'DELETE', '/v1/users/ann/data')).status).toBe(202);
  for (const isReached of KILL_MOMENTS) {
    await until('the moment of the kill', async () => (await erasures(hub)).every(isReached));
    await hub.end('SIGKILL');
    hub = await startHubProcess({ data, config, port: hub.port });
  }
  await until('the erasure is finished', async () => (await erasures(hub)).every(({ state }) => state === 'finished'));
  // The consumer of the subscription replaces what it had in flight with a gap,
  // and writes that soon.
  await until('no file has the marker', () => filesWithMarker(data).length === 0);
  expect(await deadLetters()).toEqual([]);
  const all = await ask(hub, 'GET', '/v1/events?channel=%3E&after=earliest&limit=1');
  expect(all.text).toContain('kept');
  const { entries } = (await ask(hub, 'GET', '/v1/audit')).json<{ entries: { action: string }[] }>();
  expect(entries.filter(({ action }) => action === 'erasure.finished')).toHaveLength(1);
  await hub.end('SIGTERM');
  expect(filesWithMarker(data)).toEqual([]);
});

test('polycast erase asks for the name, and waits for the end', async () => {
  const hub = await startHubProcess({ data: temporaryFolder('erased-by-command') });
  await fill(hub);
  const refused = await polycast(['erase', 'user', 'ann', '--url', hub.url]);
  expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--yes')]);
  const { code, out } = await polycast(['erase', 'user', 'ann', '--yes', '--json', '--url', hub.url]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ kind: 'user', name: 'ann', state: 'finished', events: EVENTS / 2 });
  await hub.end('SIGTERM');
});

test('an answer from before an erasure is not confirmed as unchanged after kill -9', async () => {
  const data = temporaryFolder('confirmed');
  let hub = await startHubProcess({ data });
  const restart = async (): Promise<void> => {
    await hub.end('SIGKILL');
    hub = await startHubProcess({ data, port: hub.port });
  };
  const read = (tag = ''): Promise<Reply> =>
    call(`${hub.url}/v1/events?channel=orders.1&history=5`, { headers: { 'If-None-Match': tag } });
  const { id } = await publish(hub.url, { channel: 'orders.1', data: MARKER });
  await publish(hub.url, { channel: 'orders.1', data: 'kept' });
  const tagOf = ({ headers }: Reply): string => String(headers['etag']);
  const before = tagOf(await read());
  await restart();
  expect((await read(before)).status).toBe(304);

  expect((await ask(hub, 'DELETE', `/v1/events/${id}`)).status).toBe(202);
  await until('the event is erased', async () => (await erasures(hub)).every(({ state }) => state === 'finished'));
  await restart();
  const after = await read(before);
  expect([after.status, after.text.includes(MARKER), after.text.includes('kept')]).toEqual([200, false, true]);
  await publish(hub.url, { channel: 'other', data: 1 });
  const newest = tagOf(await read(before));
  expect([(await read(newest)).status, (await read(before)).status]).toEqual([304, 200]);
});
