import type {
  StoreChange,
  SubscriptionStore,
} from '../../../../packages/server/src/subscriptions/state/subscription-store.ts';
import {
  creationOf,
  deadLetter,
  open,
  statusAt,
} from '../../../../packages/server/src/storage/contract/subscriptions/subscription-fixtures.ts';
import { openSubscriptionStore } from '../../../../packages/server/src/storage/sqlite/subscriptions/sqlite-subscription-store.ts';
import { pause } from '../../../kit/wait.ts';
import type { Life } from './life.ts';

const IDS = ['sub_a', 'sub_b', 'sub_c'];
const TURNS = 12;
/** The number of open events of a subscription. They are its newest. */
const OPEN = 3;
/** One event in this many is a dead letter. */
const DEAD_EACH = 5;
/** Enqueued changes are committed within this time, without a sync… */
const CHECKPOINT_PAUSE_MS = 120;
/** …and synced and marked within this one: changes for which no caller waits. */
const SYNCED_MS = 1200;

/**
 * Subscriptions that progress: some changes are enqueued, some awaited, one subscription is
 * removed, and the store is opened twice. The acknowledgements are `at ID CURSOR`, `removing ID`
 * before the removal, `removed ID`.
 */
export const subscriptionsLife: Life = {
  name: 'subscriptions',

  async live(folder, acknowledge) {
    const cursors = new Map(IDS.map((id) => [id, 0]));
    const step = (id: string): StoreChange[] => {
      const cursor = (cursors.get(id) ?? 0) + 1;
      cursors.set(id, cursor);
      return stepTo(id, cursor);
    };
    for (let opening = 0; opening < 2; opening++) {
      const store = await openSubscriptionStore({ folder });
      if (opening === 0) await store.write(IDS.flatMap((id) => creationOf(id)));
      const passing = `sub_passing_${opening}`;
      await store.write(creationOf(passing));
      for (const id of [...IDS, passing]) acknowledge(`at ${id} ${cursors.get(id) ?? 0}`);
      for (let turn = 0; turn < TURNS; turn++) {
        const [id, other] = [IDS[turn % IDS.length], IDS[(turn + 1) % IDS.length]] as [string, string];
        for (let times = 0; times < turn % 4; times++) store.enqueue(step(other));
        if (turn % 4 === 3) await pause(CHECKPOINT_PAUSE_MS);
        await store.write(step(id));
        acknowledge(`at ${id} ${cursors.get(id)}`);
      }
      if (opening === 0) await pause(SYNCED_MS);
      acknowledge(`removing ${passing}`);
      await store.write([{ kind: 'removed', subscription: passing }]);
      acknowledge(`removed ${passing}`);
      await store.close();
    }
  },

  async wrongWith(folder, lines) {
    const store = await openSubscriptionStore({ folder }).catch((error: unknown) => String(error));
    if (typeof store === 'string') return lines.length === 0 ? undefined : `it does not open: ${store}`;
    try {
      return await lostOf(store, lines);
    } finally {
      await store.close();
    }
  },
};

function stepTo(subscription: string, cursor: number): StoreChange[] {
  const changes: StoreChange[] = [
    { kind: 'status', subscription, status: statusAt(cursor) },
    open(subscription, cursor),
  ];
  if (cursor > OPEN) changes.push({ kind: 'closed', subscription, position: cursor - OPEN });
  if (cursor % DEAD_EACH === 0) changes.push({ kind: 'dead_letter', deadLetter: deadLetter(subscription, cursor) });
  return changes;
}

async function lostOf(store: SubscriptionStore, lines: readonly string[]): Promise<string | undefined> {
  const { subscriptions, hasLostCommits } = store.load();
  if (hasLostCommits) return 'its mark claims what a power cut has taken back';
  const found = new Map(subscriptions.map((stored) => [stored.definition.id, stored]));
  for (const [id, { status: at, open: events, deadLetters }] of found) {
    const expected = Array.from({ length: OPEN }, (_, index) => at.cursor - OPEN + 1 + index).filter(
      (each) => each > 0,
    );
    if (events.map(({ position }) => position).join() !== expected.join()) return `${id} at ${at.cursor} is half there`;
    if (deadLetters !== Math.floor(at.cursor / DEAD_EACH))
      return `${id} at ${at.cursor} has ${deadLetters} dead letters`;
  }
  for (const line of lines) {
    const [kind, id = '', cursor] = line.split(' ');
    if (kind === 'removed' && found.has(id)) return `${id} is back`;
    if (kind !== 'at') continue;
    const at = found.get(id)?.status.cursor;
    if (at === undefined && !lines.includes(`removing ${id}`)) return `${id} is lost`;
    if (at !== undefined && at < Number(cursor)) return `${id} is at ${at}, and was at ${cursor}`;
  }
  return undefined;
}
