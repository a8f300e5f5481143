import { expect, test } from 'vitest';
import { BackfillThrottle } from './backfill-throttle.ts';

/**
 * A second in turns of 1 ms. Each turn begins as many requests as the throttle allows. Returns
 * their number.
 */
function second(
  throttle: BackfillThrottle,
  world: World,
  { idlePart, live }: { idlePart: number; live: number },
): number {
  let begun = 0;
  for (let turn = 0; turn < 1000; turn++) {
    world.nowMs++;
    world.idleMs += idlePart;
    world.live += live / 1000;
    const room = Math.min(64, throttle.availableRequests());
    throttle.onStarted(room, room * 0.03);
    begun += room;
  }
  return begun;
}

interface World {
  nowMs: number;
  idleMs: number;
  live: number;
}

function create(): { readonly throttle: BackfillThrottle; readonly world: World } {
  const world: World = { nowMs: 0, idleMs: 0, live: 0 };
  const view = { nowMs: () => world.nowMs, idleMs: () => world.idleMs, liveEvents: () => world.live };
  return { throttle: new BackfillThrottle(view), world };
}

test.each([
  ['there are no live readers', { idlePart: 0, live: 100 }],
  ['there is time left', { idlePart: 0.5, live: 1_000_000 }],
])('a backlog takes all the time while %s', (_while, load) => {
  const { throttle, world } = create();
  expect(second(throttle, world, load)).toBe(64_000);
});

test('a backlog falls to a tenth of the time while live readers need it, and recovers afterwards', () => {
  const { throttle, world } = create();
  const crowd = { idlePart: 0, live: 100_000 };
  for (let count = 0; count < 2; count++) second(throttle, world, crowd);
  const begun = second(throttle, world, crowd);
  expect(begun).toBeGreaterThan(500);
  expect(begun).toBeLessThan(1700);
  for (let count = 0; count < 2; count++) second(throttle, world, { idlePart: 0, live: 0 });
  expect(second(throttle, world, { idlePart: 0, live: 0 })).toBe(64_000);
});
