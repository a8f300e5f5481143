import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { post, subscribe } from './kit/deliveries.ts';
import { temporaryFolder } from './kit/folders.ts';
import { Follower, TRANSPORTS } from './kit/followers.ts';
import { call, publish, type Published } from './kit/http.ts';
import { startHubProcess } from './kit/hub-process.ts';
import { until } from './kit/wait.ts';

interface Pulled {
  readonly lease: string;
  readonly event: { readonly type?: string; readonly data: unknown };
}

const EVENTS = 60;
const DAMAGED = 31;

test('whoever comes to a damaged event gets one gap on every transport, and everything else', async () => {
  const data = temporaryFolder('damaged');
  const first = await startHubProcess({ data });
  const queue = await subscribe(first.url, { channels: ['a'], start: 'earliest', delivery: { kind: 'pull' } });
  const published: Published[] = [];
  for (let n = 0; n < EVENTS; n++) published.push(await publish(first.url, { channel: 'a', data: `text ${n}` }));
  await first.end('SIGTERM');
  const file = join(data, 'log.db');
  const bytes = readFileSync(file);
  const text = `text ${DAMAGED}"`;
  // Pages that have been moved leave their old copies behind.
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
  for (const { received, gaps, complaints } of followers) {
    expect(complaints).toEqual([]);
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
  expect((await call(`${hub.url}/metrics`)).text).toMatch(/polycast_log\{figure="damagedRanges"\} 1\n/);
  expect(hub.log()).toMatch(/events are damaged on the disk/);
  await hub.end('SIGTERM');
});
