import { expect, test } from 'vitest';
import { createOrder, isComplete, lastStep, recordReceived } from './order.ts';
import type { Order } from './order.ts';
import { laneStatsOf } from './lane-stats.ts';
import { timeAxis } from './time-axis.ts';
import { summaryOf } from './summary.ts';
import { WireModel } from './wire-model.ts';
import { bytesText, durationText } from './format.ts';

test('the delay is the time from the accepted publish to the first arrival, as a median', () => {
  const order = published([100, 200, 300]);
  recordReceived(order, 'sse', 1, 110);
  recordReceived(order, 'sse', 2, 290);
  recordReceived(order, 'sse', 3, 320);
  expect(tally(order)).toMatchObject({ medianDelayMs: 20, worstDelayMs: 90, received: 3, lost: 0 });
});

test('an event that arrives a second time is counted as a duplicate', () => {
  const order = published([100]);
  recordReceived(order, 'sse', 1, 110);
  recordReceived(order, 'sse', 1, 500);
  expect(order.results.sse).toMatchObject({ received: [{ step: 1, receivedAtMs: 110 }], duplicates: 1 });
});

test('events in a gap are lost; events that have not arrived yet are not', () => {
  const order = published([100, 200, 300, 400]);
  recordReceived(order, 'sse', 1, 110);
  recordReceived(order, 'sse', 3, 310);
  expect(tally(order).lost).toBe(0);
  order.results.sse.gaps.push({ reason: 'epoch', atMs: 305 });
  expect(tally(order).lost).toBe(1);
});

test('requests, empty answers and bytes are those of the wire, including refused connections', () => {
  const wire = new WireModel();
  wire.watch('lab.orders.1');
  const request = 'GET /v1/events?channel=lab.orders.1 HTTP/1.1\r\n\r\n';
  const answer = 'HTTP/1.1 304 Not Modified\r\n\r\n';
  wire.apply({ kind: 'bytes', lane: 'sse', connection: 1, direction: 'up', atMs: 1, bytes: request });
  wire.apply({ kind: 'bytes', lane: 'sse', connection: 1, direction: 'down', atMs: 2, bytes: answer });
  wire.apply({ kind: 'refused', lane: 'sse', atMs: 3, by: 'cut' });
  const expected = {
    requests: 2,
    wasted: 2,
    bytesUp: request.length,
    bytesDown: answer.length,
    medianDelayMs: undefined,
  };
  expect(laneStatsOf(published([]), 'sse', wire.lanes.sse)).toMatchObject(expected);
});

test('a lane is complete when it has received the last step', () => {
  const order = published([]);
  expect(lastStep(order.results.sse)).toBe(0);
  recordReceived(order, 'sse', 7, 1);
  expect(isComplete(order.results.sse)).toBe(true);
});

test('the axis shows the whole order, and all of its times', () => {
  const early = timeAxis(1000, 1500, false);
  const late = timeAxis(1000, 61_000, false);
  expect(early.percent(1000)).toBeGreaterThan(0);
  expect(late.percent(61_000)).toBeLessThan(100);
  expect(late.ticksMs(1200).length).toBeLessThanOrEqual(14);
  expect(timeAxis(1000, 5000, true).percent(5000)).toBeGreaterThan(85);
});

test('a summary states the numbers in a sentence', () => {
  const numbers = { wasted: 4, bytesUp: 1000, bytesDown: 500, worstDelayMs: 900, seen: 6 };
  expect(summaryOf('Short polling', { ...numbers, requests: 10, medianDelayMs: 512, lost: 1 })).toBe(
    'Short polling received events with a delay of 512 ms (median), with 10 requests, 4 of them without an event, and 1.5 kB. A gap reported 1 event that could not be delivered.',
  );
  expect(summaryOf('WebSocket', { ...numbers, requests: 1, wasted: 0, medianDelayMs: undefined, lost: 0 })).toBe(
    'WebSocket received no events.',
  );
});

test('numbers are shortened for display', () => {
  expect([2.34, 23.4, 2340, undefined].map(durationText)).toEqual(['2.3 ms', '23 ms', '2.34 s', '–']);
  expect([999, 1000, 99_940, 100_500].map(bytesText)).toEqual(['999 B', '1.0 kB', '99.9 kB', '101 kB']);
});

function published(timesMs: readonly number[]): Order {
  const order = createOrder('1', 'lab.orders.1', 0);
  for (const [index, sentAtMs] of timesMs.entries())
    order.publications.push({ step: index + 1, sentAtMs, acceptedAtMs: sentAtMs + 1, retries: 0 });
  return order;
}

function tally(order: Order): ReturnType<typeof laneStatsOf> {
  return laneStatsOf(order, 'sse', new WireModel().lanes.sse);
}
