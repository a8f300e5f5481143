import { expect, test } from 'vitest';
import type { HubStatus } from '../../../../operate/hub-status.ts';
import { startTestHub } from '../../../testing.ts';
import { sampleOf } from './sample.ts';

async function statusOf({ url }: { readonly url: string }): Promise<HubStatus> {
  return (await (await fetch(`${url}/v1/status`)).json()) as HubStatus;
}

test('rates are the difference of two statuses, by time', async () => {
  const hub = await startTestHub();
  const first = await statusOf(hub);
  const events = Array.from({ length: 40 }, () => ({ channel: 'a', data: 1 }));
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(events) };
  expect((await fetch(`${hub.url}/v1/events`, request)).ok).toBe(true);
  const second = await statusOf(hub);
  const later = { ...second, time: new Date(Date.parse(first.time) + 2000).toISOString() };
  const sample = sampleOf(later, first);
  expect(sample.intervalSeconds).toBe(2);
  expect(sample.in.eventsPerSecond).toBe(20);
  expect(sample.latencyMs.publishToDurable.p99).toBeGreaterThan(0);
  expect(sample.latencyMs.webhook).toEqual({ p50: null, p99: null });
});

test('after a restart of the hub, rates begin at its start', async () => {
  const hub = await startTestHub();
  const status = await statusOf(hub);
  const published = { events: 1000, bytes: 1, refused: 0, failed: 0 };
  const earlier = { ...status, started: '2026-01-01T00:00:00.000Z', published };
  expect(sampleOf(status, earlier).in.eventsPerSecond).toBe(0);
});
