import { expect, test } from 'vitest';
import { withNewest, withOlder } from './attempt-pages.ts';
import type { AttemptPage } from './portal-api.ts';
import type { Attempt } from './resources.ts';

/** The attempts from `newest` down, as the hub answers. */
function pageOf(newest: number, count: number): AttemptPage {
  const attempts = Array.from({ length: count }, (_, index) => ({ number: newest - index }) as Attempt);
  const oldest = newest - count + 1;
  return { attempts, next: oldest > 1 ? oldest : null };
}

test('each attempt is shown once, and a hole begins the list anew', () => {
  const known = withOlder(pageOf(40, 20), pageOf(20, 20));
  expect(known).toEqual(pageOf(40, 40));
  expect(withNewest(known, pageOf(45, 20))).toEqual(pageOf(45, 45));
  expect(withNewest(known, pageOf(90, 20))).toEqual(pageOf(90, 20));
});

test('a page that is open for days shows the newest 500, and can load the older ones again', () => {
  let shown: AttemptPage | undefined;
  for (let newest = 20; newest <= 2000; newest += 10) shown = withNewest(shown, pageOf(newest, 20));
  expect(shown).toEqual(pageOf(2000, 500));
});
