import { expect, test } from 'vitest';
import { openOtlpReceiver } from '../testing/otlp-receiver.ts';
import { openSubscriptionHub, waitUntil } from '../testing/subscription-hub.ts';

test('the endpoint receives every metric of the page, with its name, kind and labels', async () => {
  const receiver = await openOtlpReceiver();
  const hub = await openSubscriptionHub({
    telemetry: { endpoint: receiver.url, traces: false, metricsIntervalMs: 1000 },
  });
  for (const data of [1, 2, 3]) await hub.publish('a', data);
  await waitUntil(() => {
    const published = receiver.metrics.find(({ name }) => name === 'polycast_published_events_total');
    expect(published).toMatchObject({ kind: 'sum', points: [{ attributes: {}, asDouble: 3 }] });
  });
  const page = await (await fetch(`${hub.url}/metrics`)).text();
  const kinds: Readonly<Record<string, string>> = { counter: 'sum', gauge: 'gauge', histogram: 'histogram' };
  const declared = [...page.matchAll(/^# TYPE (\S+) (\S+)\n(polycast_)?/gm)]
    // A metric without a value, such as a refusal that has not occurred, is not pushed.
    .filter(([, , , value]) => value !== undefined)
    .map(([, name, type]) => [name, kinds[type ?? '']]);
  expect(declared.length).toBeGreaterThan(30);
  const received = new Map(receiver.metrics.map(({ name, kind }) => [name, kind]));
  for (const [name = '', kind] of declared) expect([name, received.get(name)]).toEqual([name, kind]);
  const sessions = receiver.metrics.find(({ name }) => name === 'polycast_sessions');
  expect(sessions?.points.map(({ attributes }) => attributes['transport'])).toContain('websocket');
});

test('a histogram has the counts of its buckets', async () => {
  const receiver = await openOtlpReceiver();
  const hub = await openSubscriptionHub({
    telemetry: { endpoint: receiver.url, traces: false, metricsIntervalMs: 1000 },
  });
  for (const data of [1, 2]) await hub.publish('a', data);
  await waitUntil(() => {
    const durable = receiver.metrics.find(({ name }) => name === 'polycast_publish_to_durable_seconds');
    expect(durable).toMatchObject({ kind: 'histogram', unit: 's' });
    const { count, bucketCounts = [], explicitBounds = [] } = durable?.points[0] ?? {};
    expect(Number(count)).toBe(2);
    expect(bucketCounts.reduce((sum: number, each) => sum + Number(each), 0)).toBe(2);
    expect(bucketCounts).toHaveLength(explicitBounds.length + 1);
  });
  // The last values are pushed at the end.
  await hub.publish('a', 3);
  await hub.close();
  const published = receiver.metrics.find(({ name }) => name === 'polycast_published_events_total');
  expect(published?.points[0]?.asDouble).toBe(3);
});
