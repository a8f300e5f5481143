import { endOfToken } from '@polycast/protocol';

/** How a rule's pattern relates to a target: the channel or the pattern that a client asks for. */
export type Relation = 'covers' | 'overlaps' | 'disjoint';

/**
 * Whether a pattern covers all channels of a target, some or none. Both are valid patterns;
 * `{user}` in the first matches any one token. Example: `orders.>` covers `orders.42`, and
 * `orders.42` overlaps `orders.*`.
 * O(characters), without allocation: a request may name a hundred targets, and a hub have hundreds
 * of rules.
 */
export function relationOf(pattern: string, target: string): Relation {
  let relation: Relation = 'covers';
  for (let ours = 0, theirs = 0; ;) {
    const hasOurs = ours < pattern.length;
    const hasTheirs = theirs < target.length;
    if (!hasOurs && !hasTheirs) return relation;
    const our = hasOurs ? pattern.charCodeAt(ours) : 0;
    const their = hasTheirs ? target.charCodeAt(theirs) : 0;
    // `>` matches one token or more, so it is disjoint from a pattern that has ended.
    if (our === REST_WILDCARD) return hasTheirs ? relation : 'disjoint';
    if (their === REST_WILDCARD) return hasOurs ? 'overlaps' : 'disjoint';
    if (!hasOurs || !hasTheirs) return 'disjoint';
    const ourEnd = endOfToken(pattern, ours);
    const theirEnd = endOfToken(target, theirs);
    if (our !== STAR && our !== BRACE && !isSameToken(pattern, ours, ourEnd, target, theirs, theirEnd)) {
      if (their !== STAR) return 'disjoint';
      relation = 'overlaps';
    }
    ours = ourEnd + 1;
    theirs = theirEnd + 1;
  }
}

function isSameToken(
  one: string,
  from: number,
  to: number,
  other: string,
  otherFrom: number,
  otherTo: number,
): boolean {
  if (to - from !== otherTo - otherFrom) return false;
  for (; from < to; from++, otherFrom++) if (one.charCodeAt(from) !== other.charCodeAt(otherFrom)) return false;
  return true;
}

const STAR = 42;
const REST_WILDCARD = 62;
/** The first character of `{user}`. No token of a channel begins with it. */
const BRACE = 123;

/** The part of a rule's pattern that matches the token of the user. */
export const USER_TOKEN = '{user}';

/** The token of a target at the place of `{user}` in a pattern, if there is one. */
export function userTokenIn(pattern: string, target: string): string | undefined {
  const index = pattern.split('.').indexOf(USER_TOKEN);
  return index < 0 ? undefined : target.split('.')[index];
}
