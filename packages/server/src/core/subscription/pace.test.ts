import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

test('begins with one, and rises by one with each success up to the bound', () => {
  const pace = new Pace(8, undefined);
  const limits = [pace.limit];
  for (let count = 0; count < 10; count++) {
    pace.succeeded(count);
    limits.push(pace.limit);
  }
  expect(limits).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]);
  expect(pace.room(3, 10)).toBe(5);
});

test('is halved once a round by trouble, and then rises by one a round', () => {
  const pace = new Pace(64, undefined);
  for (let count = 0; count < 63; count++) pace.succeeded(0);
  expect(pace.limit).toBe(64);
  pace.failed('overrun', 5, 10, 5, undefined);
  pace.failed('overrun', 5, 11, 5, undefined);
  expect(pace.limit).toBe(32);
  for (let count = 0; count < 33; count++) pace.succeeded(12);
  expect(pace.limit).toBe(33);
});

test('an event that is refused says nothing of the endpoint, unless all are', () => {
  const pace = new Pace(16, undefined);
  for (let count = 0; count < 20; count++) pace.succeeded(0);
  pace.failed('refused', 1, 2, 1, undefined);
  expect(pace.limit).toBe(16);
  for (let count = 0; count < 4; count++) pace.failed('refused', 1, 2, 1, undefined);
  expect(pace).toMatchObject({ isFailing: true, isProven: false, limit: 1 });
});

test.each([
  [1_000, 1_000],
  [40_000, 10_000],
  [86_400_000, 300_000],
])('what has failed for %d ms is left alone for %d ms, until it succeeds', (failingMs, restMs) => {
  const pace = new Pace(16, undefined);
  for (let count = 0; count < 5; count++) pace.failed('overrun', failingMs, failingMs, 0, undefined);
  expect(pace.restUntilMs).toBe(failingMs + restMs);
  expect(pace.room(0, failingMs + restMs - 1)).toBe(0);
  expect(pace.nextMs(0, failingMs)).toBe(failingMs + restMs);
  expect(pace.room(0, failingMs + restMs)).toBe(1);
  pace.succeeded(failingMs + 1);
  expect(pace.room(0, failingMs + 1)).toBe(2);
});

test('does as it is asked for how long it is to be left alone', () => {
  const pace = new Pace(16, undefined);
  pace.failed('overrun', 0, 100, 0, 7000);
  expect(pace.restUntilMs).toBe(7100);
  pace.failed('refused', 0, 100, 0, 60_000);
  expect(pace.restUntilMs).toBe(7100);
});

test('what it was asked for holds, though what was under way goes well', () => {
  const pace = new Pace(16, undefined);
  for (let count = 0; count < 4; count++) pace.succeeded(0);
  pace.failed('overrun', 5, 10, 10, 60_000);
  pace.succeeded(11);
  expect(pace.restUntilMs).toBe(60_010);
  expect(pace.room(0, 60_009)).toBe(0);
  expect(pace.nextMs(0, 11)).toBe(60_010);
  expect(pace.room(0, 60_010)).toBeGreaterThan(0);
});

test('keeps to a rate', () => {
  const pace = new Pace(100, 50);
  for (let count = 0; count < 100; count++) pace.succeeded(0);
  let sent = 0;
  for (let nowMs = 1; nowMs <= 10_000; nowMs++) {
    const room = pace.room(0, nowMs);
    if (room > 0) {
      pace.begun(room);
      sent += room;
    } else expect(pace.nextMs(0, nowMs)).toBeGreaterThan(nowMs);
  }
  expect(sent).toBeGreaterThanOrEqual(495);
  expect(sent).toBeLessThanOrEqual(505);
});

test('what was away for long is taken back with care', () => {
  const pace = new Pace(1000, undefined);
  pace.succeeded(0);
  pace.healed(0);
  const perSecond: number[] = [];
  for (let second = 0; second < 12; second++) {
    let sent = 0;
    for (let nowMs = second * 1000 + 1; nowMs <= second * 1000 + 1000; nowMs += 10) {
      const room = Math.max(0, pace.room(0, nowMs));
      pace.begun(room);
      for (let count = 0; count < room; count++) pace.succeeded(nowMs);
      sent += room;
    }
    perSecond.push(sent);
  }
  expect(perSecond[0]).toBeLessThanOrEqual(12);
  for (const [second, sent] of perSecond.slice(1, 8).entries())
    expect(sent).toBeLessThanOrEqual(10 * 2 ** (second + 1) * 1.2 + 2);
  expect(perSecond[11]).toBeGreaterThan(10_000);
});
