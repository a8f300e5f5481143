import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SORTED_PER_STEP, SortedNames } from './sorted-names.ts';

interface Entry {
  readonly name: string;
}

const names = fc.uniqueArray(fc.integer({ min: 0, max: 3_000 }), { maxLength: 1_500 });

test('entries are in the order of their names, after any insertions and removals', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(names, names), { maxLength: 8 }),
      fc.integer({ min: 0, max: 3_000 }),
      (turns, start) => {
        const sorted = new SortedNames<Entry>();
        const entries = new Map<string, Entry>();
        for (const [put, taken] of turns) {
          const added = put.map((name) => ({ name: `c${name}` })).filter(({ name }) => !entries.has(name));
          for (const entry of added) entries.set(entry.name, entry);
          for (const entry of added) sorted.add(entry);
          // Some entries are inserted immediately or in part,
          // others together with those of the next turn.
          if (put.length % 3 === 0) sorted.sortAll();
          else if (put.length % 3 === 1) sorted.sortStep();
          for (const name of taken) {
            const entry = entries.get(`c${name}`);
            if (entry !== undefined) sorted.delete(entry);
            entries.delete(`c${name}`);
          }
        }
        while (sorted.sortedCount < sorted.addedCount) sorted.sortStep();
        const expected = [...entries.keys()].toSorted();
        const after = `c${start}`;
        expect(from(sorted, '').map(({ name }) => name)).toEqual(expected);
        expect(from(sorted, after).map(({ name }) => name)).toEqual(expected.filter((name) => name > after));
      },
    ),
    { numRuns: 60 },
  );
});

test('entries are iterated one by one, forward and backward', () => {
  for (const direction of [1, -1]) {
    const sorted = new SortedNames<Entry>();
    const all = Array.from({ length: 3_000 }, (_, index) => ({ name: String(5_000 + direction * index) }));
    for (const entry of all) {
      sorted.add(entry);
      sorted.sortAll();
    }
    expect(from(sorted, '')).toHaveLength(3_000);
    for (const entry of all.slice(1)) sorted.delete(entry);
    expect(from(sorted, '')).toEqual([all[0]]);
    sorted.delete(all[0] as Entry);
    sorted.delete(all[0] as Entry);
    expect(from(sorted, '')).toEqual([]);
  }
});

test('a step inserts the oldest of the new entries, and no more than its bound', () => {
  const sorted = new SortedNames<Entry>();
  const all = Array.from({ length: 3 * SORTED_PER_STEP }, (_, index) => ({ name: String(90_000 - index) }));
  for (const entry of all) sorted.add(entry);
  sorted.delete(all[1] as Entry);
  sorted.sortStep();
  expect(from(sorted, '')).toEqual([...all.slice(2, SORTED_PER_STEP).toReversed(), all[0]]);
  expect([sorted.sortedCount, sorted.addedCount]).toEqual([SORTED_PER_STEP, 3 * SORTED_PER_STEP]);
});

function from(sorted: SortedNames<Entry>, name: string, limit: number = Infinity): Entry[] {
  const found: Entry[] = [];
  sorted.visitAfter(name, (entry) => found.push(entry) < limit);
  return found;
}
