import { expect, test } from 'vitest';
import { HubWatch } from './hub-watch.ts';

const SECOND_MS = 1_000;

function beats(watch: HubWatch, hub: string, host: string, fromSecond: number, toSecond: number): void {
  for (let second = fromSecond; second <= toSecond; second++)
    watch.onBeat({ hub, host, version: '1', sequence: second, hash: 1 }, second * SECOND_MS);
}

function listedAt(watch: HubWatch, second: number): readonly string[] {
  return watch
    .list(second * SECOND_MS)
    .map(({ beat, isGone }) => `${beat.hub}${isGone ? ' gone' : ''}`)
    .toSorted();
}

test('a hub that is killed is gone after five seconds, and is forgotten after an hour', () => {
  const watch = new HubWatch();
  beats(watch, 'a', 'one', 0, 4000);
  beats(watch, 'b', 'two', 0, 100);
  expect(listedAt(watch, 105)).toEqual(['a', 'b']);
  expect(listedAt(watch, 106)).toEqual(['a', 'b gone']);
  expect(listedAt(watch, 3700)).toEqual(['a', 'b gone']);
  expect(listedAt(watch, 3701)).toEqual(['a']);
});

test('a hub that starts again on the same machine replaces the one before, each later hub one', () => {
  const watch = new HubWatch();
  beats(watch, 'a', 'one', 0, 10);
  beats(watch, 'b', 'one', 0, 10);
  beats(watch, 'c', 'two', 0, 30);
  expect(listedAt(watch, 20)).toEqual(['a gone', 'b gone', 'c']);
  beats(watch, 'd', 'one', 20, 30);
  expect(listedAt(watch, 30)).toEqual(['b gone', 'c', 'd']);
  // It ends, too, and one follows it: the other one is still missing.
  beats(watch, 'e', 'one', 40, 50);
  expect(listedAt(watch, 50)).toEqual(['c gone', 'd gone', 'e']);
  beats(watch, 'f', 'one', 51, 60);
  expect(listedAt(watch, 60)).toEqual(['c gone', 'e gone', 'f']);
});

test('a second hub of a machine replaces none that still runs, and one that comes back is there again', () => {
  const watch = new HubWatch();
  beats(watch, 'a', 'one', 0, 10);
  beats(watch, 'b', 'one', 5, 20);
  expect(listedAt(watch, 20)).toEqual(['a gone', 'b']);
  beats(watch, 'a', 'one', 30, 30);
  beats(watch, 'b', 'one', 30, 30);
  expect(listedAt(watch, 30)).toEqual(['a', 'b']);
});

test('the watch is bounded: the hub that is silent for the longest time is forgotten', () => {
  const watch = new HubWatch();
  for (let hub = 0; hub < 1_200; hub++) beats(watch, `h${hub}`, `host${hub}`, 0, 0);
  const listed = listedAt(watch, 1);
  expect(listed).toHaveLength(1_000);
  expect(listed).not.toContain('h0');
  expect(listed).toContain('h1199');
});
