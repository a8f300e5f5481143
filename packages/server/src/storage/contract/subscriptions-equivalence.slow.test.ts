import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type {
  StoreChange,
  StoredSubscription,
  SubscriptionStore,
} from '../../subscriptions/state/subscription-store.ts';
import { creationOf, deadLetter, definition, openEvent, statusAt } from './subscriptions/subscription-fixtures.ts';
import { createMemorySubscriptionStore, createMemoryState } from '../memory/memory-subscription-store.ts';
import { openSubscriptionStore } from '../sqlite/subscriptions/sqlite-subscription-store.ts';

const ids = fc.constantFrom('sub_a', 'sub_b', 'sub_c');
const positions = fc.integer({ min: 1, max: 6 });
const epochs = fc.constantFrom('00tmf894va', '00tmf894vq');
const replay = { after: 0, channel: undefined, through: 9, reached: 1, isDone: false };

/** A definition comes together with a status, as the port requires. */
const anyChanges: fc.Arbitrary<StoreChange[]> = fc.oneof(
  fc.tuple(ids, fc.nat(99)).map(([id, version]): StoreChange[] => [
    { kind: 'definition', definition: definition(id, { version }) },
    { kind: 'status', subscription: id, status: statusAt(version) },
  ]),
  fc
    .tuple(ids, fc.nat(99))
    .map(([subscription, cursor]): StoreChange[] => [{ kind: 'status', subscription, status: statusAt(cursor) }]),
  fc
    .tuple(ids, positions, fc.nat(9), fc.option(fc.constant('lease'), { nil: undefined }))
    .map(([subscription, position, attempts, lease]): StoreChange[] => [
      { kind: 'open', subscription, event: openEvent(position, { attempts, lease }) },
    ]),
  fc
    .tuple(ids, positions)
    .map(([subscription, position]): StoreChange[] => [{ kind: 'closed', subscription, position }]),
  fc
    .tuple(ids, positions, epochs)
    .map(([subscription, position, epoch]): StoreChange[] => [
      { kind: 'dead_letter', deadLetter: deadLetter(subscription, position, epoch) },
    ]),
  fc
    .tuple(ids, positions, epochs)
    .map(([subscription, position, epoch]): StoreChange[] => [
      { kind: 'dead_letter_gone', subscription, epoch, position },
    ]),
  fc
    .tuple(ids, positions, fc.nat(9))
    .map(([subscription, position, reached]): StoreChange[] => [
      { kind: 'replay', subscription, replay: { ...replay, id: `rpl_${position}`, reached } },
    ]),
  fc
    .tuple(ids, positions)
    .map(([subscription, position]): StoreChange[] => [{ kind: 'replay_gone', subscription, id: `rpl_${position}` }]),
  ids.map((subscription): StoreChange[] => [{ kind: 'removed', subscription }]),
);

/**
 * `pause`: the enqueued changes are written, as after some time. `reopen`: the store is closed and
 * opened again.
 */
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ how: fc.constantFrom('note', 'note', 'note', 'write'), changes: anyChanges }),
    },
    { weight: 2, arbitrary: fc.constant({ how: 'pause', changes: [] as StoreChange[] }) },
    { weight: 1, arbitrary: fc.constant({ how: 'reopen', changes: [] as StoreChange[] }) },
  ),
  { maxLength: 60 },
);

test('with any operations in any order, both homes contain the same', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const folder = mkdtempSync(join(tmpdir(), 'polycast-subscriptions-'));
      const state = createMemoryState();
      let memory = createMemorySubscriptionStore(state);
      let sqlite = await openSubscriptionStore({ folder });
      const there = new Set(['sub_a', 'sub_b']);
      try {
        for (const store of [memory, sqlite]) await store.write([...there].flatMap((id) => creationOf(id)));
        for (const { how, changes } of script) {
          const results = changes.filter((change) => isPossible(change, there));
          if (how === 'note') for (const store of [memory, sqlite]) store.enqueue(results);
          else if (how === 'write') await Promise.all([memory, sqlite].map((store) => store.write(results)));
          else if (how === 'pause') await sqlite.deadLetters('sub_a', { limit: 1 });
          else {
            await sqlite.close();
            sqlite = await openSubscriptionStore({ folder });
            memory = createMemorySubscriptionStore(state);
            expect(loaded(sqlite)).toEqual(loaded(memory));
          }
        }
        for (const id of ['sub_a', 'sub_b', 'sub_c'])
          expect(await sqlite.deadLetters(id, { limit: 100 })).toEqual(await memory.deadLetters(id, { limit: 100 }));
        await sqlite.close();
        sqlite = await openSubscriptionStore({ folder });
        expect(loaded(sqlite)).toEqual(loaded(createMemorySubscriptionStore(state)));
      } finally {
        await sqlite.close();
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

/**
 * An id is used once. A removed subscription is not created again, and changes of an unknown one
 * are possible only by mistake.
 */
function isPossible(change: StoreChange, there: Set<string>): boolean {
  if (change.kind === 'removed') there.delete(change.subscription);
  const isMade = change.kind === 'definition' || change.kind === 'status';
  return !isMade || there.has(change.kind === 'definition' ? change.definition.id : change.subscription);
}

function loaded(store: SubscriptionStore): readonly StoredSubscription[] {
  return store.load().subscriptions;
}
