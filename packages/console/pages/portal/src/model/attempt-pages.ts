import type { AttemptPage } from './portal-api.ts';
import type { Attempt } from './resources.ts';

/**
 * The most attempts that the list has: a page may be open for days.
 * The older ones can be loaded again.
 */
const SHOWN_MAX = 500;

/** The newest attempts, and those below them that are shown already. What is open stays open. */
export function withNewest(known: AttemptPage | undefined, page: AttemptPage): AttemptPage {
  const newest = known?.attempts[0]?.number ?? -1;
  const oldest = page.attempts.at(-1)?.number ?? -1;
  // More than a page is new: the list begins anew, rather than with a hole.
  if (known === undefined || oldest > newest) return page;
  const attempts = merged(known, page);
  if (attempts.length <= SHOWN_MAX) return { attempts, next: known.next };
  const shown = attempts.slice(0, SHOWN_MAX);
  return { attempts: shown, next: shown.at(-1)?.number ?? null };
}

/** Adds a page of older ones. */
export function withOlder(known: AttemptPage | undefined, page: AttemptPage): AttemptPage {
  return known === undefined ? page : { attempts: merged(known, page), next: page.next };
}

/** Each attempt once, the newest first: answers may arrive in another order than their requests. */
function merged(one: AttemptPage, other: AttemptPage): readonly Attempt[] {
  const byNumber = new Map([...one.attempts, ...other.attempts].map((attempt) => [attempt.number, attempt]));
  return [...byNumber.values()].toSorted((a, b) => b.number - a.number);
}
