import { Feed } from '../packages/server/src/core/feed.ts';
import { Presence } from '../packages/server/src/core/presence/presence.ts';
import { AckTracker } from '../packages/server/src/subscriptions/state/lanes/ack-tracker.ts';

/**
 * Only some calls are checked: a check visits the whole state, so all checks would take most of the
 * time of a run.
 */
const CALLS_PER_CHECK = 20;

/**
 * Objects of this process check their invariants (`assertInvariants`) from now on. A violation ends
 * the process, and with it the run.
 */
export function checkInvariants(): void {
  checkAfter(Feed.prototype, 'onTrimmed');
  checkAfter(Presence.prototype, 'advance');
  checkAfter(AckTracker.prototype, 'checkpoint');
}

function checkAfter<Name extends string>(
  prototype: { assertInvariants(): void } & Record<Name, (...args: never[]) => unknown>,
  method: Name,
): void {
  const original: (...args: never[]) => unknown = prototype[method];
  let calls = 0;
  const checked = function (this: { assertInvariants(): void }, ...args: never[]): unknown {
    const result = original.apply(this, args);
    if (++calls % CALLS_PER_CHECK === 0) endIfBroken(this);
    return result;
  };
  Object.assign(prototype, { [method]: checked });
}

function endIfBroken(object: { assertInvariants(): void }): void {
  try {
    object.assertInvariants();
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
