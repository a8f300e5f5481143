import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../../subscriptions/state/ports.ts';
import type {
  StoreChange,
  StoredSubscription,
  SubscriptionStore,
} from '../../../subscriptions/state/subscription-store.ts';
import type { AttemptBounds } from '../../shared/attempt-bounds.ts';
import {
  attempt,
  creationOf,
  deadLetter,
  definition,
  EPOCH,
  open,
  openEvent,
  statusAt,
} from './subscription-fixtures.ts';

/**
 * A store that can be closed and opened again. Each opened store is closed at the end of the test.
 */
export interface ReopenableStore {
  open(): Promise<SubscriptionStore>;
}

export type CreateStore = (bounds?: Partial<AttemptBounds>) => Promise<ReopenableStore>;

/**
 * Tests for the contract of `subscriptions/state/subscription-store.ts`. They run against
 * each implementation.
 */
export function subscriptionStoreContract(name: string, createStore: CreateStore): void {
  const reopened = async (home: ReopenableStore, store: SubscriptionStore): Promise<readonly StoredSubscription[]> => {
    await store.close();
    return (await home.open()).load().subscriptions;
  };

  describe(name, () => {
    test('a new store is empty, and has no epoch', async () => {
      const store = await (await createStore()).open();
      expect(store).toMatchObject({ unavailable: undefined, isOverloaded: false });
      expect(store.load()).toMatchObject({ subscriptions: [], epoch: undefined, hasLostCommits: false });
    });

    test('written subscriptions are loaded at the next opening, ordered by id', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write([...creationOf('sub_b', 7), ...creationOf('sub_a'), { kind: 'epoch', epoch: 'abcdefghij' }]);
      await store.write([
        open('sub_b', 9, { lease: 'lse_1', heldAfter: 9, attempts: 3 }),
        open('sub_b', 8),
        { kind: 'dead_letter', deadLetter: deadLetter('sub_b', 4) },
        { kind: 'replay', subscription: 'sub_b', replay: REPLAY },
      ]);
      await store.close();
      const again = await home.open();
      const { epoch, subscriptions } = again.load();
      expect(epoch).toBe('abcdefghij');
      expect(subscriptions).toEqual([
        { definition: definition('sub_a'), status: statusAt(0), open: [], deadLetters: 0, replays: [] },
        {
          definition: definition('sub_b'),
          status: statusAt(7),
          open: [openEvent(8), openEvent(9, { lease: 'lse_1', heldAfter: 9, attempts: 3 })],
          deadLetters: 1,
          replays: [REPLAY],
        },
      ]);
    });

    test('enqueued changes are loaded as well, each with its last value', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write([...creationOf('sub_a'), open('sub_a', 1), open('sub_a', 2)]);
      store.enqueue([{ kind: 'closed', subscription: 'sub_a', position: 1 }, open('sub_a', 3)]);
      store.enqueue([
        {
          kind: 'status',
          subscription: 'sub_a',
          status: statusAt(3, { state: 'suspended', failingSinceMs: 5, restUntilMs: 9 }),
        },
        open('sub_a', 2, { attempts: 2 }),
        { kind: 'closed', subscription: 'sub_a', position: 3 },
      ]);
      store.enqueue([open('sub_a', 4), { kind: 'closed', subscription: 'sub_a', position: 4 }, open('sub_a', 4)]);
      const [stored] = await reopened(home, store);
      expect(stored?.status).toEqual(statusAt(3, { state: 'suspended', failingSinceMs: 5, restUntilMs: 9 }));
      expect(stored?.open).toEqual([openEvent(2, { attempts: 2 }), openEvent(4)]);
    });

    test("a subscription's position in a lost log is stored until its gap is acknowledged", async () => {
      const home = await createStore();
      const store = await home.open();
      const lost = { epoch: '00tmf894vq', position: 7 };
      await store.write([
        ...creationOf('sub_a'),
        { kind: 'status', subscription: 'sub_a', status: statusAt(0, { lost }) },
      ]);
      await store.close();
      const again = await home.open();
      expect(again.load().subscriptions[0]?.status).toEqual(statusAt(0, { lost }));
      again.enqueue([{ kind: 'status', subscription: 'sub_a', status: statusAt(1) }]);
      expect((await reopened(home, again))[0]?.status).toEqual(statusAt(1));
    });

    test('the number of events behind the open ones is stored, until there are none', async () => {
      const home = await createStore();
      const store = await home.open();
      const write = (held?: number): StoreChange => ({
        kind: 'status',
        subscription: 'sub_a',
        status: statusAt(9, held === undefined ? {} : { held }),
      });
      await store.write([...creationOf('sub_a'), write(299)]);
      await store.close();
      const again = await home.open();
      expect(again.load().subscriptions[0]?.status).toEqual(statusAt(9, { held: 299 }));
      again.enqueue([write()]);
      expect((await reopened(home, again))[0]?.status).toEqual(statusAt(9));
    });

    test('enqueued changes and writes take effect in the order of the calls', async () => {
      const home = await createStore();
      const store = await home.open();
      const writes = [store.write(creationOf('sub_a'))];
      const expected = new Map<number, number>();
      for (let turn = 1; turn < 60; turn++) {
        const position = turn % 5;
        if (turn % 3 === 0) {
          store.enqueue([{ kind: 'closed', subscription: 'sub_a', position }]);
          expected.delete(position);
        } else {
          const change = open('sub_a', position, { attempts: turn });
          if (turn % 7 === 0) writes.push(store.write([change]));
          else store.enqueue([change]);
          expected.set(position, turn);
        }
        store.enqueue([{ kind: 'status', subscription: 'sub_a', status: statusAt(turn) }]);
        if (turn % 20 === 0) await Promise.all(writes);
      }
      await Promise.all(writes);
      const [stored] = await reopened(home, store);
      expect(stored?.status.cursor).toBe(59);
      expect(new Map(stored?.open.map(({ position, attempts }) => [position, attempts]))).toEqual(expected);
    });

    test('data of a subscription is removed with it; data of a removed or unknown one is not stored', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b'), open('sub_a', 1)]);
      store.enqueue([{ kind: 'attempt', attempt: attempt('sub_a', 1) }]);
      store.enqueue([{ kind: 'dead_letter', deadLetter: deadLetter('sub_a', 4) }]);
      await store.write([{ kind: 'removed', subscription: 'sub_a' }]);
      store.enqueue([
        { kind: 'attempt', attempt: attempt('sub_a', 2) },
        { kind: 'attempt', attempt: attempt('sub_never', 3) },
        open('sub_a', 2),
        { kind: 'status', subscription: 'sub_a', status: statusAt(9) },
        { kind: 'dead_letter', deadLetter: deadLetter('sub_never', 4) },
      ]);
      expect(await store.attempts({ before: Infinity, limit: 10 })).toEqual([]);
      expect(await store.deadLetters('sub_a', { limit: 10 })).toEqual([]);
      expect((await reopened(home, store)).map(({ definition: { id } }) => id)).toEqual(['sub_b']);
    });

    test('dead letters are listed from a position, in pages, until they are removed', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write(creationOf('sub_a'));
      for (const position of [5, 3, 9])
        store.enqueue([{ kind: 'dead_letter', deadLetter: deadLetter('sub_a', position) }]);
      expect(await store.deadLetters('sub_a', { limit: 2 })).toEqual([deadLetter('sub_a', 3), deadLetter('sub_a', 5)]);
      expect(await store.deadLetters('sub_a', { after: { epoch: EPOCH, position: 5 }, limit: 2 })).toEqual([
        deadLetter('sub_a', 9),
      ]);
      store.enqueue([{ kind: 'dead_letter_gone', subscription: 'sub_a', epoch: EPOCH, position: 5 }]);
      expect((await store.deadLetters('sub_a', { limit: 9 })).map(({ position }) => position)).toEqual([3, 9]);
      expect((await reopened(home, store))[0]?.deadLetters).toBe(2);
    });

    test('dead letters of several logs are separate, also at the same position', async () => {
      const home = await createStore();
      const store = await home.open();
      const [older, later] = ['00tmf894va', '00tmf894vz'];
      await store.write(creationOf('sub_a'));
      const made = [5, 3].flatMap((position) =>
        [EPOCH, later, older].map((epoch) => deadLetter('sub_a', position, epoch)),
      );
      for (const letter of made) store.enqueue([{ kind: 'dead_letter', deadLetter: letter }]);
      const inOrder = [older, EPOCH, later].flatMap((epoch) => [
        deadLetter('sub_a', 3, epoch),
        deadLetter('sub_a', 5, epoch),
      ]);
      expect(await store.deadLetters('sub_a', { limit: 9 })).toEqual(inOrder);
      const after = { epoch: older, position: 5 };
      expect(await store.deadLetters('sub_a', { after, limit: 2 })).toEqual(inOrder.slice(2, 4));
      store.enqueue([{ kind: 'dead_letter_gone', subscription: 'sub_a', epoch: EPOCH, position: 5 }]);
      const left = inOrder.filter(({ epoch, position }) => epoch !== EPOCH || position !== 5);
      expect(await store.deadLetters('sub_a', { limit: 9 })).toEqual(left);
      await store.close();
      const again = await home.open();
      expect(again.load().subscriptions[0]?.deadLetters).toBe(5);
      expect(await again.deadLetters('sub_a', { limit: 9 })).toEqual(left);
    });

    test('a replay is stored until it is done', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write([...creationOf('sub_a'), { kind: 'replay', subscription: 'sub_a', replay: REPLAY }]);
      const other = { ...REPLAY, id: 'other', channel: 'orders.1', lost: { epoch: EPOCH, position: 3 } };
      store.enqueue([
        { kind: 'replay', subscription: 'sub_a', replay: { ...REPLAY, reached: 15 } },
        { kind: 'replay', subscription: 'sub_a', replay: other },
      ]);
      await store.close();
      const again = await home.open();
      expect(again.load().subscriptions[0]?.replays).toEqual([other, { ...REPLAY, reached: 15 }]);
      again.enqueue([{ kind: 'replay_gone', subscription: 'sub_a', id: 'rpl_1' }]);
      expect((await reopened(home, again))[0]?.replays.map(({ id }) => id)).toEqual(['other']);
    });

    test('attempts are found by subscription and by event, the newest first, page by page', async () => {
      const home = await createStore();
      const store = await home.open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b')]);
      const made: Attempt[] = [
        attempt('sub_a', 1, { position: 10 }),
        attempt('sub_b', 2, { position: 10, outcome: 'delivered', answer: undefined }),
        attempt('sub_a', 3, { position: 10, outcome: 'delivered' }),
        attempt('sub_a', 4, { position: 11, outcome: 'name_not_found', answer: undefined }),
      ];
      for (const one of made) store.enqueue([{ kind: 'attempt', attempt: one }]);
      const [first, second, third, fourth] = made;
      expect(await store.attempts({ before: Infinity, limit: 2 })).toEqual([fourth, third]);
      expect(await store.attempts({ before: 3, limit: 2 })).toEqual([second, first]);
      expect(await store.attempts({ subscription: 'sub_a', before: 4, limit: 9 })).toEqual([third, first]);
      const event = { epoch: EPOCH, position: 10 };
      expect(await store.attempts({ event, before: Infinity, limit: 9 })).toEqual([third, second, first]);
      expect(await store.attempts({ subscription: 'sub_b', event, before: Infinity, limit: 9 })).toEqual([second]);
      await store.close();
      expect((await home.open()).load().lastAttempt).toBeGreaterThanOrEqual(4);
    });

    test('attempts of erased events are deleted, alone or in a batch, and those that hold a text', async () => {
      const store = await (await createStore()).open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b')]);
      const made: Attempt[] = [
        attempt('sub_a', 1, { position: 10 }),
        attempt('sub_a', 2, { position: 9, others: [10, 12] }),
        attempt('sub_b', 3, { position: 10, epoch: '00tmf894v0' }),
        attempt('sub_b', 4, { position: 13, detail: 'the name "ann" in it' }),
        attempt('sub_b', 5, { position: 14, outcome: 'delivered' }),
      ];
      for (const one of made) store.enqueue([{ kind: 'attempt', attempt: one }]);
      const left = async (): Promise<number[]> =>
        (await store.attempts({ before: Infinity, limit: 9 })).map(({ number }) => number);
      await store.eraseAttempts({ epoch: EPOCH, positions: [10, 11], texts: [] });
      expect(await left()).toEqual([5, 4, 3]);
      await store.eraseAttempts({ epoch: EPOCH, positions: [], texts: [String.raw`\"ann\"`] });
      expect(await left()).toEqual([5, 3]);
    });

    test('an attempt of a batch is found by each of its events, and by those of its log alone', async () => {
      const store = await (await createStore()).open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b')]);
      const made: Attempt[] = [
        attempt('sub_a', 1, { position: 10, others: [12, 15], count: 3 }),
        attempt('sub_b', 2, { position: 12 }),
        attempt('sub_a', 3, { position: 12, others: [13], count: 2, outcome: 'delivered' }),
        attempt('sub_a', 4, { epoch: '00tmf894vr', position: 12, others: [15], count: 2 }),
        attempt('sub_a', 5, { position: 0, isGap: true }),
      ];
      for (const one of made) store.enqueue([{ kind: 'attempt', attempt: one }]);
      const [first, second, third, fourth] = made;
      const numbers = async (position: number, epoch = EPOCH, subscription?: string): Promise<readonly Attempt[]> => {
        const query = { event: { epoch, position }, before: Infinity, limit: 9 };
        return store.attempts(subscription === undefined ? query : { ...query, subscription });
      };
      expect(await numbers(10)).toEqual([first]);
      expect(await numbers(11)).toEqual([]);
      expect(await numbers(12)).toEqual([third, second, first]);
      expect(await numbers(12, EPOCH, 'sub_a')).toEqual([third, first]);
      expect(await numbers(13)).toEqual([third]);
      expect(await numbers(15)).toEqual([first]);
      expect(await numbers(15, '00tmf894vr')).toEqual([fourth]);
      expect(await store.attempts({ event: { epoch: EPOCH, position: 12 }, before: 3, limit: 1 })).toEqual([second]);
    });

    test('of many attempts the newest are kept, and failures rather than successes', async () => {
      const store = await (await createStore({ attemptsKept: 40 })).open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b')]);
      for (let number = 1; number <= 200; number++) {
        const outcome = number % 2 === 0 ? 'delivered' : 'timeout';
        await store.write([{ kind: 'attempt', attempt: attempt('sub_a', number, { outcome }) }]);
      }
      await store.write([{ kind: 'attempt', attempt: attempt('sub_b', 201) }]);
      const kept = await store.attempts({ subscription: 'sub_a', before: Infinity, limit: 1000 });
      const failed = kept.filter(({ outcome }) => outcome !== 'delivered');
      expect(failed.length).toBeGreaterThanOrEqual(30);
      expect(failed.length).toBeLessThanOrEqual(30 * 1.25 + 1);
      expect(kept.length - failed.length).toBeGreaterThanOrEqual(10);
      expect(kept.length - failed.length).toBeLessThanOrEqual(10 * 1.25 + 1);
      expect(failed[0]?.number).toBe(199);
      expect(await store.attempts({ subscription: 'sub_b', before: Infinity, limit: 9 })).toHaveLength(1);
    });

    test('of thousands of simultaneous attempts samples are kept, including failures', async () => {
      const store = await (await createStore({ attemptsKept: 10_000 })).open();
      await store.write([...creationOf('sub_a'), ...creationOf('sub_b')]);
      for (let number = 1; number <= 2000; number++) {
        const parts = number % 100 === 0 ? {} : { outcome: 'delivered' as const };
        store.enqueue([{ kind: 'attempt', attempt: attempt(number % 7 === 0 ? 'sub_a' : 'sub_b', number, parts) }]);
      }
      const kept = await store.attempts({ before: Infinity, limit: 10_000 });
      expect(kept.filter(({ outcome }) => outcome !== 'delivered')).toHaveLength(20);
      expect(kept.length).toBeLessThan(500);
      expect(new Set(kept.map(({ subscription }) => subscription))).toEqual(new Set(['sub_a', 'sub_b']));
    });
  });
}

const REPLAY = { id: 'rpl_1', after: 10, channel: undefined, through: 20, reached: 12, isDone: false };
