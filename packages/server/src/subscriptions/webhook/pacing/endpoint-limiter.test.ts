import { expect, test } from 'vitest';
import { EndpointLimiter } from './endpoint-limiter.ts';

test('begins with one, and rises by one with each success up to the bound', () => {
  const limiter = new EndpointLimiter(8, undefined);
  const limits = [limiter.concurrency];
  for (let count = 0; count < 10; count++) {
    limiter.onSuccess(count);
    limits.push(limiter.concurrency);
  }
  expect(limits).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]);
  expect(limiter.availableSlots(3, 10)).toBe(5);
});

test('is halved once per round by failures, and then rises by one per round', () => {
  const limiter = new EndpointLimiter(64, undefined);
  for (let count = 0; count < 63; count++) limiter.onSuccess(0);
  expect(limiter.concurrency).toBe(64);
  limiter.onFailure('overloaded', 5, 10, 5, undefined);
  limiter.onFailure('overloaded', 5, 11, 5, undefined);
  expect(limiter.concurrency).toBe(32);
  for (let count = 0; count < 33; count++) limiter.onSuccess(12);
  expect(limiter.concurrency).toBe(33);
});

test('a refused event does not count against the endpoint, unless all are refused', () => {
  const limiter = new EndpointLimiter(16, undefined);
  for (let count = 0; count < 20; count++) limiter.onSuccess(0);
  limiter.onFailure('rejected', 1, 2, 1, undefined);
  expect(limiter.concurrency).toBe(16);
  for (let count = 0; count < 4; count++) limiter.onFailure('rejected', 1, 2, 1, undefined);
  expect(limiter).toMatchObject({ isFailing: true, isHealthy: false, concurrency: 1 });
});

test.each([
  [1_000, 1_000],
  [40_000, 10_000],
  [86_400_000, 300_000],
])('an endpoint that has failed for %d ms rests for %d ms, until it succeeds', (failingMs, restMs) => {
  const limiter = new EndpointLimiter(16, undefined);
  for (let count = 0; count < 5; count++) limiter.onFailure('overloaded', failingMs, failingMs, 0, undefined);
  expect(limiter.backoffUntilMs).toBe(failingMs + restMs);
  expect(limiter.availableSlots(0, failingMs + restMs - 1)).toBe(0);
  expect(limiter.nextAvailableMs(0, failingMs)).toBe(failingMs + restMs);
  expect(limiter.availableSlots(0, failingMs + restMs)).toBe(1);
  limiter.onSuccess(failingMs + 1);
  expect(limiter.availableSlots(0, failingMs + 1)).toBe(2);
});

test('obeys the pause that the endpoint requests', () => {
  const limiter = new EndpointLimiter(16, undefined);
  limiter.onFailure('overloaded', 0, 100, 0, 7000);
  expect(limiter.backoffUntilMs).toBe(7100);
  limiter.onFailure('rejected', 0, 100, 0, 60_000);
  expect(limiter.backoffUntilMs).toBe(7100);
});

test('a requested pause remains, although requests in flight succeed', () => {
  const limiter = new EndpointLimiter(16, undefined);
  for (let count = 0; count < 4; count++) limiter.onSuccess(0);
  limiter.onFailure('overloaded', 5, 10, 10, 60_000);
  limiter.onSuccess(11);
  expect(limiter.backoffUntilMs).toBe(60_010);
  expect(limiter.availableSlots(0, 60_009)).toBe(0);
  expect(limiter.nextAvailableMs(0, 11)).toBe(60_010);
  expect(limiter.availableSlots(0, 60_010)).toBeGreaterThan(0);
});

test('keeps a rate', () => {
  const limiter = new EndpointLimiter(100, 50);
  for (let count = 0; count < 100; count++) limiter.onSuccess(0);
  let sent = 0;
  for (let nowMs = 1; nowMs <= 10_000; nowMs++) {
    const room = limiter.availableSlots(0, nowMs);
    if (room > 0) {
      limiter.consumeTokens(room);
      sent += room;
    } else expect(limiter.nextAvailableMs(0, nowMs)).toBeGreaterThan(nowMs);
  }
  expect(sent).toBeGreaterThanOrEqual(495);
  expect(sent).toBeLessThanOrEqual(505);
});

test('an endpoint that recovers after a long time is ramped up slowly', () => {
  const limiter = new EndpointLimiter(1000, undefined);
  limiter.onSuccess(0);
  limiter.onRecovered(0);
  const perSecond: number[] = [];
  for (let second = 0; second < 12; second++) {
    let sent = 0;
    for (let nowMs = second * 1000 + 1; nowMs <= second * 1000 + 1000; nowMs += 10) {
      const room = Math.max(0, limiter.availableSlots(0, nowMs));
      limiter.consumeTokens(room);
      for (let count = 0; count < room; count++) limiter.onSuccess(nowMs);
      sent += room;
    }
    perSecond.push(sent);
  }
  expect(perSecond[0]).toBeLessThanOrEqual(12);
  for (const [second, sent] of perSecond.slice(1, 8).entries())
    expect(sent).toBeLessThanOrEqual(10 * 2 ** (second + 1) * 1.2 + 2);
  expect(perSecond[11]).toBeGreaterThan(10_000);
});
