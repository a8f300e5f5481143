import type { PolycastEvent } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { Sampler, sizeOf } from './sampler.ts';

const eventOf = (id: number): PolycastEvent => ({ id: String(id), channel: 'a', time: '', data: id });

test('up to its bound all events are shown', () => {
  const sampler = new Sampler(3, 10);
  for (const id of [1, 2, 3]) sampler.add(eventOf(id));
  expect(sampler.take()).toEqual({ events: [1, 2, 3].map(eventOf), oneOf: 1 });
  expect(sampler.take()).toEqual({ events: [], oneOf: 1 });
});

test('beyond it, every n-th event is shown, and n is told', () => {
  const sampler = new Sampler(3, 10);
  for (let id = 0; id < 9; id++) sampler.add(eventOf(id));
  expect(sampler.take()).toEqual({ events: [0, 3, 6].map(eventOf), oneOf: 3 });
  expect(sampler.received).toBe(9);
});

test('the export has the newest events, in order', () => {
  const sampler = new Sampler(1, 3);
  for (let id = 0; id < 5; id++) sampler.add(eventOf(id));
  expect(sampler.export().match(/"id":"\d"/g)).toEqual(['"id":"2"', '"id":"3"', '"id":"4"']);
});

test('the stored events have at most so many bytes, with the newest one in any case', () => {
  const sampler = new Sampler(10, 10, 3 * sizeOf(eventOf(0)));
  for (let id = 0; id < 9; id++) sampler.add(eventOf(id));
  const exported = (): readonly string[] | null => sampler.export().match(/(?<="id":")\d+/g);
  expect([exported(), sampler.left]).toEqual([['6', '7', '8'], 6]);
  expect(sampler.take()).toEqual({ events: [6, 7, 8].map(eventOf), oneOf: 1 });
  sampler.add({ ...eventOf(9), data: 'x'.repeat(10_000) });
  expect(exported()).toEqual(['9']);
  for (const id of [10, 11]) sampler.add(eventOf(id));
  expect([exported(), sampler.left, sampler.received]).toEqual([['10', '11'], 10, 12]);
  sampler.clear();
  sampler.add(eventOf(12));
  expect([exported(), sampler.left]).toEqual([['12'], 0]);
});

test('while nobody takes them, only the newest are stored, and all are counted', () => {
  const sampler = new Sampler(3, 10);
  for (let id = 0; id < 100; id++) sampler.add(eventOf(id));
  expect(sampler.take()).toEqual({ events: [90, 94, 98].map(eventOf), oneOf: 34 });
  expect(sampler.received).toBe(100);
  for (const id of [100, 101]) sampler.add(eventOf(id));
  expect(sampler.take()).toEqual({ events: [100, 101].map(eventOf), oneOf: 1 });
});
