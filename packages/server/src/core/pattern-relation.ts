/** How the channels of a pattern stand to those that somebody wishes for. */
export type Relation = 'covers' | 'overlaps' | 'disjoint';

/**
 * Whether a pattern covers all channels of a wish, some of them or none. Both are valid patterns; `{user}` in the first stands
 * for any one token. O(tokens).
 */
export function relationOf(pattern: string, wish: string): Relation {
  const ours = pattern.split('.');
  const theirs = wish.split('.');
  let relation: Relation = 'covers';
  for (let index = 0; ; index++) {
    const our = ours[index];
    const their = theirs[index];
    if (our === undefined && their === undefined) return relation;
    // `>` stands for one token or more, so it covers and overlaps nothing that has ended.
    if (our === '>') return their === undefined ? 'disjoint' : relation;
    if (their === '>') return our === undefined ? 'disjoint' : 'overlaps';
    if (our === undefined || their === undefined) return 'disjoint';
    if (our === '*' || our === USER_TOKEN || our === their) continue;
    if (their !== '*') return 'disjoint';
    relation = 'overlaps';
  }
}

/** Stands, in a rule's pattern, for the token of the user who asks. */
export const USER_TOKEN = '{user}';

/** The token of a wish that stands where a pattern says `{user}`, if there is one. */
export function userTokenIn(pattern: string, wish: string): string | undefined {
  const index = pattern.split('.').indexOf(USER_TOKEN);
  return index < 0 ? undefined : wish.split('.')[index];
}
