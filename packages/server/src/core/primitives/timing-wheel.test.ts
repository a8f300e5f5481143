import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ticksOf, TimingWheel, type WheelTimer } from './timing-wheel.ts';

class Item implements WheelTimer {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly calls: number[] = [];
  readonly #wheel: TimingWheel;
  again = 0;

  constructor(wheel: TimingWheel) {
    this.#wheel = wheel;
  }

  onTimer(): void {
    this.calls.push(this.#wheel.tick);
    if (this.again > 0) this.#wheel.schedule(this, this.again);
  }
}

test('each item is called once, at its tick, with any scheduling and cancelling before', () => {
  const step = fc.record({
    item: fc.nat(4),
    ticks: fc.oneof(fc.integer({ min: -1, max: 20 }), fc.integer({ min: 500, max: 1600 })),
    turns: fc.nat(700),
    cancel: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const wheel = new TimingWheel();
      const items = Array.from({ length: 5 }, () => new Item(wheel));
      const due = items.map(() => 0);
      const expected: number[][] = items.map(() => []);
      const turn = (turns: number): void => {
        for (let count = 0; count < turns; count++) {
          wheel.advance();
          for (const [index, tick] of due.entries()) {
            if (tick !== wheel.tick) continue;
            (expected[index] as number[]).push(tick);
            due[index] = 0;
          }
        }
      };
      for (const { item, ticks, turns, cancel } of steps) {
        if (cancel) {
          wheel.cancel(items[item] as Item);
          due[item] = 0;
        } else {
          wheel.schedule(items[item] as Item, ticks);
          due[item] = wheel.tick + Math.max(1, ticks);
        }
        turn(turns);
      }
      turn(1700);
      expect(items.map(({ calls }) => calls)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

test('an item may schedule itself again, and cancel others of the same tick', () => {
  const wheel = new TimingWheel();
  const [again, victim] = [new Item(wheel), new Item(wheel)];
  again.again = 3;
  wheel.schedule(victim, 3);
  wheel.schedule(again, 3);
  again.onTimer = function due(this: Item): void {
    this.calls.push(wheel.tick);
    wheel.cancel(victim);
    wheel.schedule(this, 3);
  };
  for (let tick = 0; tick < 10; tick++) wheel.advance();
  expect(again.calls).toEqual([3, 6, 9]);
  expect(victim.calls).toEqual([]);
});

test.each([
  [0, 0],
  [1, 1],
  [250, 1],
  [251, 2],
  [25_000, 100],
])('%d ms are %d ticks', (durationMs, ticks) => expect(ticksOf(durationMs)).toBe(ticks));
