import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { attempt, creationOf } from '../../contract/subscriptions/subscription-fixtures.ts';
import { ATTEMPT_BOUNDS } from '../../shared/attempt-bounds.ts';
import type { StoreChange } from '../../../subscriptions/state/subscription-store.ts';
import type { StoredChange } from '../../view/subscription-command.ts';
import { ClusterSubscriptionStore } from './cluster-subscription-store.ts';

/** A store whose commands the journal refuses in turn. `undefined`: it takes the command. */
function openStore(outcomes: (PolycastError | undefined)[]): {
  readonly store: ClusterSubscriptionStore;
  readonly commands: (readonly StoredChange[])[];
  /** Before each command. */
  readonly unavailable: (string | undefined)[];
} {
  const commands: (readonly StoredChange[])[] = [];
  const unavailable: (string | undefined)[] = [];
  const store: ClusterSubscriptionStore = new ClusterSubscriptionStore({
    lease: {
      isWorking: true,
      isFresh: true,
      term: 1,
      release: () => Promise.resolve(),
      async change(changes) {
        unavailable.push(store.unavailable);
        const outcome = outcomes.shift();
        if (outcome !== undefined) throw outcome;
        commands.push(changes);
      },
    },
    view: {
      subscriptionState: () => Promise.reject(new Error('it is not read')),
      subscriptions: () => Promise.resolve([]),
      deadLetters: () => Promise.resolve([]),
    },
    // So small that a command has one change.
    commandBytesMax: 300,
    bounds: ATTEMPT_BOUNDS,
  });
  onTestFinished(() => store.close());
  return { store, commands, unavailable };
}

const FULL = new PolycastError('log_full');
const AWAY = new PolycastError('log_unavailable');
const UNKNOWN = new PolycastError('outcome_unknown');

test('a group of several commands fails with its first one, or all of it is written', async () => {
  const { store, commands, unavailable } = openStore([FULL, undefined, FULL, AWAY, UNKNOWN]);
  await expect(store.write(creationOf('sub_a'))).rejects.toBe(FULL);
  expect([store.unavailable, commands]).toEqual(['log_full', []]);
  await store.write(creationOf('sub_a'));
  expect(commands.flat()).toEqual(creationOf('sub_a'));
  expect(commands.length).toBeGreaterThan(1);
  // What the store says before each command: a refused one makes it unavailable,
  // until all is written.
  expect(unavailable.slice(2, 6)).toEqual(['log_full', 'log_full', 'log_unavailable', 'log_unavailable']);
  expect(store.unavailable).toBeUndefined();
});

test('attempts of a subscription stay while its removal fails, and go with it', async () => {
  const { store } = openStore([undefined, undefined, AWAY]);
  await store.write(creationOf('sub_a'));
  const count = async (): Promise<number> =>
    (await store.attempts({ subscription: 'sub_a', before: Infinity, limit: 10 })).length;
  const removal: StoreChange[] = [{ kind: 'removed', subscription: 'sub_a' }];
  await store.write([{ kind: 'attempt', attempt: attempt('sub_a', 1) }]);
  await expect(store.write(removal)).rejects.toBe(AWAY);
  expect(await count()).toBe(1);
  await store.write([{ kind: 'attempt', attempt: attempt('sub_a', 2) }]);
  expect(await count()).toBe(2);
  await store.write(removal);
  expect(await count()).toBe(0);
});
