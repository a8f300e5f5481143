/**
 * Finds the interests whose patterns cover a channel. Channel names without wildcards are one look-up; patterns are a trie
 * over tokens, walked in O(tokens) times the branches that wildcards open, whatever the number of subscribers.
 */
export class PatternIndex<Interest> {
  readonly #exact = new Map<string, Interest[]>();
  readonly #root: Node<Interest> = node();
  #patterns = 0;

  add(pattern: string, interest: Interest): void {
    if (isWild(pattern)) this.#patterns++;
    const list = this.#listOf(pattern);
    if (list !== undefined) list.push(interest);
    else this.#begin(pattern, [interest]);
  }

  remove(pattern: string, interest: Interest): void {
    const list = this.#listOf(pattern);
    const index = list?.indexOf(interest) ?? -1;
    if (list === undefined || index < 0) return;
    list[index] = list[list.length - 1] as Interest;
    list.pop();
    if (isWild(pattern)) {
      this.#patterns--;
      if (list.length === 0) this.#prune(pattern);
    } else if (list.length === 0) this.#exact.delete(pattern);
  }

  /**
   * Calls `found` for each pattern that covers the channel: more than once for an interest with several such patterns.
   */
  match(channel: string, found: (interest: Interest) => void): void {
    const exact = this.#exact.get(channel);
    if (exact !== undefined) for (const interest of exact) found(interest);
    if (this.#patterns > 0) walk(this.#root, channel.split('.'), 0, found);
  }

  #listOf(pattern: string): Interest[] | undefined {
    if (!isWild(pattern)) return this.#exact.get(pattern);
    let at: Node<Interest> | undefined = this.#root;
    for (const token of pattern.split('.')) {
      if (token === '>') return at?.below;
      at = at?.children?.get(token);
    }
    return at?.here;
  }

  #begin(pattern: string, list: Interest[]): void {
    if (!isWild(pattern)) return void this.#exact.set(pattern, list);
    let at = this.#root;
    for (const token of pattern.split('.')) {
      if (token === '>') return void (at.below = list);
      at.children ??= new Map();
      let next = at.children.get(token);
      if (next === undefined) at.children.set(token, (next = node()));
      at = next;
    }
    at.here = list;
  }

  /** Takes away the branches that hold nothing any more, from the leaf up. */
  #prune(pattern: string): void {
    const path: Node<Interest>[] = [this.#root];
    const tokens = pattern.split('.').filter((token) => token !== '>');
    for (const token of tokens) {
      const next = path[path.length - 1]?.children?.get(token);
      if (next === undefined) return;
      path.push(next);
    }
    for (let depth = path.length - 1; depth > 0; depth--) {
      const at = path[depth] as Node<Interest>;
      if (!isEmpty(at.here) || !isEmpty(at.below) || (at.children?.size ?? 0) > 0) return;
      path[depth - 1]?.children?.delete(tokens[depth - 1] as string);
    }
  }
}

/** What it has none of is not made: there is a node for each customer's `orders.42.>`. */
interface Node<Interest> {
  /** Patterns that end here. */
  here: Interest[] | undefined;
  /** Patterns that end here with `>`. */
  below: Interest[] | undefined;
  children: Map<string, Node<Interest>> | undefined;
}

function node<Interest>(): Node<Interest> {
  return { here: undefined, below: undefined, children: undefined };
}

function isEmpty(list: readonly unknown[] | undefined): boolean {
  return list === undefined || list.length === 0;
}

function isWild(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>');
}

function walk<Interest>(
  at: Node<Interest>,
  tokens: readonly string[],
  index: number,
  found: (interest: Interest) => void,
): void {
  if (index === tokens.length) {
    if (at.here !== undefined) for (const interest of at.here) found(interest);
    return;
  }
  if (at.below !== undefined) for (const interest of at.below) found(interest);
  if (at.children === undefined) return;
  const named = at.children.get(tokens[index] as string);
  if (named !== undefined) walk(named, tokens, index + 1, found);
  const star = at.children.get('*');
  if (star !== undefined) walk(star, tokens, index + 1, found);
}
