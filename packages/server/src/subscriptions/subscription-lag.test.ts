import { expect, test } from 'vitest';
import { openPullQueue } from '../testing/pull-queue.ts';
import { openSubscriptionKit } from '../testing/subscription-kit.ts';

/** Counts the turns of the event loop until a promise resolves. */
async function countTurns(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return turns;
}

test('other work has its turns while the lag of many subscriptions is measured', async () => {
  const kit = await openSubscriptionKit();
  for (let count = 0; count < 1000; count++) await openPullQueue(kit);
  await kit.publish('jobs.1', 'one');
  expect(await countTurns(kit.engine.overview(10))).toBeGreaterThanOrEqual(5);
  expect(await countTurns(kit.engine.measureLag())).toBeGreaterThanOrEqual(5);
  expect((await kit.engine.overview(10)).states['active']).toMatchObject({ count: 1000, lagEventsMax: 1 });
});

test('those who ask while the lag is measured share the visit', async () => {
  const { engine } = await openSubscriptionKit();
  expect(engine.measureLag()).toBe(engine.measureLag());
  const overview = engine.overview(10);
  expect(engine.overview(10)).toBe(overview);
  await overview;
  expect(engine.overview(10)).not.toBe(overview);
});

test('subscriptions may come and go while their lag is measured', async () => {
  const kit = await openSubscriptionKit({ settings: { lagSeriesMax: 1000 } });
  const ids: string[] = [];
  for (let count = 0; count < 300; count++) ids.push((await openPullQueue(kit)).id);
  const measured = kit.engine.measureLag();
  // The last ones go before their visit, and one comes.
  const removed = ids.slice(200).map((id) => kit.engine.subscriptions.remove(id));
  await openPullQueue(kit);
  await Promise.all(removed);
  const { states, lags } = await measured;
  const seen = lags.map(({ subscription }) => subscription);
  expect(seen).toEqual(expect.arrayContaining(ids.slice(0, 200)));
  expect(seen).not.toContain(ids[299]);
  expect(states['active']?.count).toBe(seen.length);
});
