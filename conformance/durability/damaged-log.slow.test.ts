import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { call, publish, type Published } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

interface Pulled {
  readonly lease: string;
  readonly event: { readonly type?: string; readonly data: unknown };
}

const EVENTS = 60;
const DAMAGED = 31;

test('a reader of a damaged event receives one gap on every transport, and all other events', async () => {
  const data = temporaryFolder('damaged');
  const first = await startHubProcess({ data });
  const queue = await subscribe(first.url, { channels: ['a'], start: 'earliest', delivery: { kind: 'pull' } });
  const published: Published[] = [];
  for (let n = 0; n < EVENTS; n++) published.push(await publish(first.url, { channel: 'a', data: `text ${n}` }));
  await first.end('SIGTERM');
  const file = join(data, 'log.db');
  const bytes = readFileSync(file);
  const text = `text ${DAMAGED}"`;
  // SQLite leaves old copies of pages that it has moved.
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at)) bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);

  const hub = await startHubProcess({ data });
  const followers = TRANSPORTS.map(
    (transport) => new Follower(hub.url, transport, { channels: ['a'], after: 'earliest' }),
  );
  await until('all have the last event', () =>
    followers.every(({ received }) => received.at(-1)?.id === published.at(-1)?.id),
  );
  await Promise.all(followers.map((follower) => follower.stop()));
  const left = published.filter((_event, n) => n !== DAMAGED).map(({ id }) => id);
  const gap = { from: published[DAMAGED - 1]?.id, to: published[DAMAGED]?.id, reason: 'corrupt' };
  for (const { received, gaps, errors } of followers) {
    expect(errors).toEqual([]);
    expect(received.map(({ id }) => id)).toEqual(left);
    expect(gaps).toMatchObject([gap]);
  }
  const pulled: Pulled['event'][] = [];
  while (pulled.at(-1)?.data !== `text ${EVENTS - 1}`) {
    const at = `${hub.url}/v1/subscriptions/${queue}`;
    const { events } = (await post(`${at}/pull`, { count: 100, waitSeconds: 2 })).json<{ events: Pulled[] }>();
    await post(`${at}/ack`, { leases: events.map(({ lease }) => lease) });
    pulled.push(...events.map(({ event }) => event));
  }
  expect(pulled.filter(({ type }) => type === 'polycast.gap')).toMatchObject([{ data: gap }]);

  expect((await call(`${hub.url}/healthz`)).json()).toEqual({ status: 'ok', problems: ['log_damaged'] });
  expect((await call(`${hub.url}/metrics`)).text).toMatch(/polycast_log_damaged_ranges 1\n/);
  await until('the log says so', () => hub.log().includes('events are damaged on the disk'));
  await hub.end('SIGTERM');
});

const PAGE_BYTES = 4096;

/** Changes every copy of a text on the disk. */
function damage(file: string, text: string, change: (bytes: Buffer, at: number) => void): void {
  const bytes = readFileSync(file);
  expect(bytes.includes(text)).toBe(true);
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) change(bytes, at);
  writeFileSync(file, bytes);
}

const flipBit = (bytes: Buffer, at: number): void => void (bytes[at] = (bytes[at] as number) ^ 1);
const fillPage = (bytes: Buffer, at: number): void =>
  void bytes.fill(0xa5, at - (at % PAGE_BYTES), at - (at % PAGE_BYTES) + PAGE_BYTES);

/** PROTOCOL.md sections 8.3 and 10.1. */
test.each([
  ['a flipped bit', flipBit],
  ['a page of other bytes', fillPage],
] as const)(
  'a channel whose newest event is lost to %s receives an answer that is not retryable',
  async (_what, change) => {
    const data = temporaryFolder('damaged-newest');
    const config = { delivery: { tailBytesMax: 65_536 } };
    const first = await startHubProcess({ data, config });
    const older = await publish(first.url, { channel: 'v', data: 'the older one' });
    // A page contains a few events, also those of other channels.
    for (let n = 0; n < 40; n++) await publish(first.url, { channel: 'noise', data: `before ${n} ${'x'.repeat(500)}` });
    const newest = await publish(first.url, { channel: 'v', data: 'the newest of v' });
    // More events than fit into the memory.
    for (let n = 0; n < 100; n++)
      await publish(first.url, { channel: 'noise', data: `after ${n} ${'x'.repeat(2000)}` });
    await first.end('SIGTERM');
    const hub = await startHubProcess({ data, config });
    damage(join(data, 'log.db'), 'the newest of v', change);

    const at = `${hub.url}/v1/channels/v`;
    const lost = { status: 500, code: 'event_damaged', retryable: false };
    for (const headers of [{}, { 'If-None-Match': `"${newest.id}"` }])
      for (const query of ['', '?wait=60']) expect((await call(at + query, { headers })).json()).toMatchObject(lost);
    const replace = async (ifMatch: string): Promise<number> =>
      (await call(`${at}/events`, { method: 'POST', headers: { 'If-Match': ifMatch }, body: '1' })).status;
    // No answer names an older event as the newest, and a publisher that knows the newest id can
    // replace the event.
    expect(await replace(`"${older.id}"`)).toBe(412);
    expect(await replace(`"${older.id}", "another"`)).toBe(412);
    expect(await replace(`"${older.id}", "${newest.id}"`)).toBe(201);
    expect((await call(at)).status).toBe(200);
    await hub.end('SIGTERM');
  },
);
