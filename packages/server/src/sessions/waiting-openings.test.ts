import { expect, test } from 'vitest';
import { WaitingOpenings } from './waiting-openings.ts';

type Opened = Parameters<WaitingOpenings['add']>[0];

function session(number: number): Opened {
  return {
    id: `session ${number}`,
    journalNumber: number,
    position: 10 * number,
    principal: { kind: 'anonymous' },
    interest: { patterns: ['news'] },
    address: '203.0.113.7',
  } as unknown as Opened;
}

test('openings are taken in their order, as they were when they happened', () => {
  const openings = new WaitingOpenings();
  const taken: [number, number, number][] = [];
  const take = (count: number): void =>
    openings.take(count, ({ session: { journalNumber }, position, timeMs }) =>
      taken.push([journalNumber, position, timeMs]),
    );
  const first = session(1) as { position: number };
  openings.add(first as Opened, 1000);
  openings.add(session(2), 1001);
  first.position = 999;
  expect([1, 2].map((number) => openings.has(number))).toEqual([true, true]);
  take(1);
  expect([1, 2].map((number) => openings.has(number))).toEqual([false, true]);
  openings.add(session(3), 1002);
  expect(openings.count).toBe(2);
  take(Infinity);
  expect(openings.has(3)).toBe(false);
  expect(taken).toEqual([
    [1, 10, 1000],
    [2, 20, 1001],
    [3, 30, 1002],
  ]);
});

test('those that are taken are forgotten, also while others always wait', () => {
  const openings = new WaitingOpenings();
  const taken: number[] = [];
  for (let number = 1; number <= 20_000; number++) {
    openings.add(session(number), number);
    if (openings.count > 1000)
      openings.take(900, ({ session: { journalNumber }, timeMs }) => {
        taken.push(journalNumber === timeMs ? journalNumber : Number.NaN);
      });
  }
  expect(openings.count + taken.length).toBe(20_000);
  expect(openings.heldCount).toBeLessThan(6000);
  expect(taken).toEqual(Array.from(taken, (_, index) => index + 1));
});
