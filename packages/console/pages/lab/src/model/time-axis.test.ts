import { expect, test } from 'vitest';
import { timeAxis } from './time-axis.ts';

const FROM_MS = 1_000_000;

test('begins near its left end, and is linear', () => {
  const { fromMs, percent } = timeAxis(FROM_MS, FROM_MS + 60_000, false);
  expect(fromMs).toBe(FROM_MS);
  expect(percent(FROM_MS)).toBeCloseTo(2);
  const [first, second, third] = [0, 20_000, 40_000].map((offsetMs) => percent(FROM_MS + offsetMs)) as [
    number,
    number,
    number,
  ];
  expect(second - first).toBeCloseTo(third - second);
});

test('spans 11 s at first, then grows so that the present stays in one place', () => {
  const presentAt = (ageMs: number): number => timeAxis(FROM_MS, FROM_MS + ageMs, false).percent(FROM_MS + ageMs);
  expect(presentAt(0)).toBeCloseTo(2);
  expect(presentAt(5500)).toBeLessThan(presentAt(11_000));
  for (const ageMs of [11_000, 12_000, 100_000, 10_000_000]) expect(presentAt(ageMs)).toBeCloseTo(91);
});

test('fits a finished order, unless that took less than a second', () => {
  const endAt = (ageMs: number): number => timeAxis(FROM_MS, FROM_MS + ageMs, true).percent(FROM_MS + ageMs);
  for (const ageMs of [1000, 5000, 11_000]) expect(endAt(ageMs)).toBeCloseTo(91);
  expect(endAt(500)).toBeLessThan(50);
});

test('clamps values outside of it to its ends', () => {
  const { percent } = timeAxis(FROM_MS, FROM_MS + 20_000, false);
  expect([percent(0), percent(FROM_MS - 1000), percent(FROM_MS + 40_000)]).toEqual([0, 0, 100]);
});

test.each([300, 390, 600, 1200])('over %i pixels, the labels of its ticks do not overlap', (width) => {
  for (const spanMs of [0, 11_000, 11_900, 13_000, 26_000, 59_000, 180_000, 900_000, 3_600_000, 36_000_000]) {
    const { ticksMs, percent } = timeAxis(FROM_MS, FROM_MS + spanMs, false);
    const ticks = ticksMs(width);
    const pixels = (offsetMs: number): number => (percent(FROM_MS + offsetMs) * width) / 100;
    const [first, stepMs = 0] = ticks;
    expect(first).toBe(0);
    expect(stepMs).toBeGreaterThan(0);
    expect(stepMs % 1000).toBe(0);
    expect(ticks).toEqual(ticks.map((_, index) => index * stepMs));
    expect(ticks.length).toBeLessThanOrEqual(14);
    expect(pixels(stepMs) - pixels(0)).toBeGreaterThan(43);
    expect(width - pixels(ticks.at(-1) as number)).toBeGreaterThan(43);
  }
});

test('has whole steps, and no ticks before its width is known', () => {
  expect(timeAxis(FROM_MS, FROM_MS, false).ticksMs(1200)[1]).toBe(1000);
  expect(timeAxis(FROM_MS, FROM_MS, false).ticksMs(390)[1]).toBe(2000);
  expect(timeAxis(FROM_MS, FROM_MS + 60_000, false).ticksMs(1200)[1]).toBe(10_000);
  expect(timeAxis(FROM_MS, FROM_MS, false).ticksMs(0)).toEqual([]);
});
