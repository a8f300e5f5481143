import { expect, test } from 'vitest';
import { EndpointReport } from './endpoint-report.ts';
import { openOtlpReceiver } from '../testing/otlp-receiver.ts';
import { openSubscriptionHub, waitUntil, type SubscriptionHub } from '../testing/subscription-hub.ts';

/** The lines of `/metrics` that begin with a name, as values by their labels. */
async function metric(hub: SubscriptionHub, name: string): Promise<Readonly<Record<string, number>>> {
  const page = await (await fetch(`${hub.url}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith(name));
  return Object.fromEntries(
    lines.map((line) => [/outcome="(\w+)"/.exec(line)?.[1] ?? '', Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

test('the hub goes on while the endpoint refuses, and counts the spans that are lost', async () => {
  const receiver = await openOtlpReceiver();
  receiver.status = 400;
  const hub = await openSubscriptionHub({ telemetry: { endpoint: receiver.url, metrics: false, spansDelayMs: 10 } });
  for (let index = 0; index < 20; index++) await hub.publish('a', index);
  await waitUntil(async () =>
    expect(await metric(hub, 'polycast_telemetry_spans_total')).toEqual({ sent: 0, overflowed: 0, failed: 20 }),
  );
  receiver.status = 200;
  await hub.publish('a', 'after');
  await waitUntil(async () => expect(await metric(hub, 'polycast_telemetry_spans_total')).toMatchObject({ sent: 1 }));
  expect(await metric(hub, 'polycast_telemetry_spans_pending')).toEqual({ '': 0 });
});

test('more spans than the bound, ended within one turn, are dropped and counted', async () => {
  const receiver = await openOtlpReceiver();
  const telemetry = { endpoint: receiver.url, metrics: false, spansDelayMs: 10, spansQueueMax: 512 };
  const hub = await openSubscriptionHub({ telemetry });
  const queue = await hub.create({ channels: ['a'], ordering: 'none', delivery: { kind: 'pull' } });
  const items = Array.from({ length: 1000 }, (_, index) => ({ channel: 'a', data: index }));
  await hub.ask('POST', '/v1/events', items);
  const path = `/v1/subscriptions/${String(queue['id'])}`;
  const { body } = await hub.ask('POST', `${path}/pull`, { count: 1000 });
  const leases = (body['events'] as { lease: string }[]).map(({ lease }) => lease);
  await hub.ask('POST', `${path}/ack`, { leases });
  // One span of the publish, and two of each event.
  await waitUntil(async () => {
    const { sent = 0, overflowed = 0 } = await metric(hub, 'polycast_telemetry_spans_total');
    expect(sent + overflowed).toBe(2001);
    expect(overflowed).toBeGreaterThan(1000);
    expect(receiver.spans).toHaveLength(sent);
  });
});

test('an endpoint that nobody listens at does not delay the end of the hub', async () => {
  const telemetry = { endpoint: 'http://127.0.0.1:9', spansDelayMs: 60_000, timeoutMs: 60_000 };
  const hub = await openSubscriptionHub({ telemetry });
  await hub.publish('a', 1);
  const startMs = performance.now();
  await hub.close();
  expect(performance.now() - startMs).toBeLessThan(10_000);
});

test('a failure is logged once, and its end once, without the credentials of the URL', () => {
  const lines: string[] = [];
  const log = (fields: object, message: string): void => void lines.push(`${JSON.stringify(fields)} ${message}`);
  const report = new EndpointReport({ warn: log, info: log }, 'spans', 'http://user:secret@collector:4318/path');
  const failed = { code: 1, error: new Error('ECONNREFUSED') };
  for (const outcome of [{ code: 0 }, failed, failed, failed, { code: 0 }, { code: 0 }, failed])
    report.onResult(outcome);
  expect(lines).toEqual([
    '{"endpoint":"http://collector:4318","error":"ECONNREFUSED"} telemetry: the endpoint does not take spans, they are dropped and counted until it does',
    '{"endpoint":"http://collector:4318"} telemetry: the endpoint takes spans again',
    '{"endpoint":"http://collector:4318","error":"ECONNREFUSED"} telemetry: the endpoint does not take spans, they are dropped and counted until it does',
  ]);
});
