import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Block } from '../view/block.ts';
import type { BlockOutcome, LogView } from '../view/log-view.ts';
import { BlockApplier } from './block-applier.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** An applier at a hub without readers, and its commits: each is the sequences of its blocks. */
function createApplier(): {
  readonly applier: BlockApplier;
  readonly commits: number[][];
  readonly applied: number[];
  /** Blocks up to this one can be passed on. */
  readonly passing: { through: number };
} {
  const commits: number[][] = [];
  const applied: number[] = [];
  const passing = { through: 0 };
  const view = {
    apply: async (blocks: readonly Block[]): Promise<readonly BlockOutcome[]> => {
      commits.push(blocks.map(({ sequence }) => sequence));
      return blocks.map(() => ({ kind: 'nothing', hash: '' }) as unknown as BlockOutcome);
    },
  } as unknown as LogView;
  const listener = {
    passOn: ({ sequence }: Block) => sequence <= passing.through,
    onApplied: ({ sequence }: Block) => void applied.push(sequence),
    onOutcomeLost: () => undefined,
    onStopped: () => undefined,
    onViewLost: () => undefined,
  };
  const applier = new BlockApplier(view, listener, () => 0);
  applier.hasReaders = () => false;
  return { applier, commits, applied, passing };
}

function block(sequence: number): Block {
  return { sequence, id: `h-${sequence}`, kind: 'events', data: new Uint8Array(10) };
}

test('blocks that nobody waits for share a commit after 20 ms', async () => {
  const { applier, commits, applied } = createApplier();
  for (const sequence of [1, 2, 3]) {
    applier.add(block(sequence), false);
    await vi.advanceTimersByTimeAsync(5);
  }
  expect([commits, applier.waiting]).toEqual([[], 3]);
  await vi.advanceTimersByTimeAsync(5);
  expect(commits).toEqual([[1, 2, 3]]);
  expect(applied).toEqual([1, 2, 3]);
  applier.add(block(4), false);
  await vi.advanceTimersByTimeAsync(19);
  expect(commits).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(commits).toEqual([[1, 2, 3], [4]]);
});

test('a block that somebody waits for is applied at once, with those before it', async () => {
  const { applier, commits } = createApplier();
  applier.add(block(1), false);
  applier.add(block(2), false);
  await vi.advanceTimersByTimeAsync(1);
  applier.add(block(3), true);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits).toEqual([[1, 2, 3]]);
  applier.add(block(4), false);
  applier.applyNow(4);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits).toEqual([[1, 2, 3], [4]]);
  // Somebody waited for it before it came.
  applier.applyNow(5);
  applier.add(block(5), false);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.at(-1)).toEqual([5]);
  // A command.
  applier.add({ ...block(6), kind: 'trim' }, false);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.at(-1)).toEqual([6]);
  applier.hasReaders = () => true;
  applier.add(block(7), false);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.at(-1)).toEqual([7]);
});

test('blocks whose events were passed on share a commit, until one is applied first or has to be', async () => {
  const { applier, commits, passing } = createApplier();
  passing.through = 3;
  for (const sequence of [1, 2, 3]) applier.add(block(sequence), true);
  await vi.advanceTimersByTimeAsync(19);
  expect(commits).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(commits).toEqual([[1, 2, 3]]);
  // Nobody waits for the first one, so its events are passed on with those of the second.
  passing.through = 6;
  applier.add(block(4), false);
  applier.add(block(5), true);
  await vi.advanceTimersByTimeAsync(1);
  expect(commits).toHaveLength(1);
  applier.applyNow(5);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.at(-1)).toEqual([4, 5]);
  applier.add(block(6), true);
  applier.add(block(7), true);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.at(-1)).toEqual([6, 7]);
});

test('a full commit does not wait for more, and nothing is applied after the end', async () => {
  const { applier, commits } = createApplier();
  for (let sequence = 1; sequence <= 70; sequence++) applier.add(block(sequence), false);
  await vi.advanceTimersByTimeAsync(0);
  expect(commits.map(({ length }) => length)).toEqual([64]);
  await applier.close();
  await vi.advanceTimersByTimeAsync(100);
  expect(commits.map(({ length }) => length)).toEqual([64]);
});
