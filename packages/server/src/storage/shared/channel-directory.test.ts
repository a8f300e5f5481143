import { expect, test } from 'vitest';
import type { ChannelQuery } from '../../core/ports.ts';
import {
  ChannelDirectory,
  createChannelEntry,
  listAll,
  VISITED_PER_STEP,
  type ListedStep,
} from './channel-directory.ts';
import { SORTED_PER_STEP } from './sorted-names.ts';

/** A name whose order is not that of its number. */
function nameOf(number: number): string {
  return `c${String((number * 7_919) % 100_000).padStart(5, '0')}`;
}

function directoryOf(count: number): ChannelDirectory {
  const directory = new ChannelDirectory();
  for (let number = 0; number < count; number++) addTo(directory, number);
  return directory;
}

function addTo(directory: ChannelDirectory, number: number): void {
  const entry = createChannelEntry(nameOf(number), number + 1, 0, 0);
  entry.appendedPosition = number + 1;
  directory.add(entry);
}

/** All channels of a list, and the steps that it took. */
async function list(
  directory: ChannelDirectory,
  query: Partial<ChannelQuery>,
  between: () => void = () => undefined,
): Promise<{ readonly names: readonly string[]; readonly steps: readonly ListedStep[] }> {
  const steps: ListedStep[] = [];
  const channels = await listAll({ after: '', limit: Infinity, ...query }, async (rest, progress) => {
    if (progress !== undefined) between();
    steps.push(directory.list(rest, progress));
    return steps.at(-1) as ListedStep;
  });
  return { names: channels.map(({ channel }) => channel), steps };
}

const COUNT = 2 * VISITED_PER_STEP + 10;

test('new channels are sorted in steps, and the list has all of them in order', async () => {
  const { names, steps } = await list(directoryOf(COUNT), {});
  expect(names).toEqual(Array.from({ length: COUNT }, (_, number) => nameOf(number)).toSorted());
  const sorting = Math.ceil(COUNT / SORTED_PER_STEP);
  expect(steps).toHaveLength(sorting + 2);
  expect(steps.slice(0, sorting - 1).flatMap(({ channels }) => channels)).toEqual([]);
  for (const { channels } of steps) expect(channels.length).toBeLessThanOrEqual(VISITED_PER_STEP);
});

test('a list ends although channels are created faster than they are sorted', async () => {
  const directory = directoryOf(4 * SORTED_PER_STEP);
  let created = 4 * SORTED_PER_STEP;
  const { names, steps } = await list(directory, {}, () => {
    for (let turn = 0; turn < 2 * SORTED_PER_STEP; turn++) addTo(directory, created++);
  });
  expect(steps).toHaveLength(4);
  const found = new Set(names);
  for (let number = 0; number < 4 * SORTED_PER_STEP; number++) expect(found).toContain(nameOf(number));
  expect(names).toEqual(names.toSorted());
});

test('a limit and a position hold over all steps', async () => {
  const directory = directoryOf(COUNT);
  const { names } = await list(directory, {});
  expect((await list(directory, { limit: VISITED_PER_STEP + 5 })).names).toEqual(names.slice(0, VISITED_PER_STEP + 5));
  expect((await list(directory, { limit: 3, after: names[9] as string })).names).toEqual(names.slice(10, 13));
  expect((await list(directory, { limit: 0 })).names).toEqual([]);
  const { names: changed, steps } = await list(directory, { changedSince: COUNT - 3, limit: 500 });
  expect(changed).toEqual([COUNT - 3, COUNT - 2, COUNT - 1].map(nameOf).toSorted());
  expect(steps).toHaveLength(3);
});
