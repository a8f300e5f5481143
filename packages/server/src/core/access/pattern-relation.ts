import { endOfToken } from '@polycast/protocol';

/** How the channels of a pattern stand to those that somebody wishes for. */
export type Relation = 'covers' | 'overlaps' | 'disjoint';

/**
 * Whether a pattern covers all channels of a wish, some of them or none. Both are valid patterns; `{user}` in the first stands
 * for any one token. O(characters), and it allocates nothing: a request may name a hundred wishes, and a hub have hundreds of rules.
 */
export function relationOf(pattern: string, target: string): Relation {
  let relation: Relation = 'covers';
  for (let ours = 0, theirs = 0; ;) {
    const hasOurs = ours < pattern.length;
    const hasTheirs = theirs < target.length;
    if (!hasOurs && !hasTheirs) return relation;
    const our = hasOurs ? pattern.charCodeAt(ours) : 0;
    const their = hasTheirs ? target.charCodeAt(theirs) : 0;
    // `>` stands for one token or more, so it covers and overlaps nothing that has ended.
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
/** No token of a channel begins so: it is that of `{user}`. */
const BRACE = 123;

/** Stands, in a rule's pattern, for the token of the user who asks. */
export const USER_TOKEN = '{user}';

/** The token of a wish that stands where a pattern says `{user}`, if there is one. */
export function userTokenIn(pattern: string, target: string): string | undefined {
  const index = pattern.split('.').indexOf(USER_TOKEN);
  return index < 0 ? undefined : target.split('.')[index];
}
