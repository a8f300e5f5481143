import { endOfToken, hasWildcard } from '@polycast/protocol';
import { forEachOf, holds, withOne, withoutOne, type OneOrSeveral } from '../primitives/one-or-several.ts';

/**
 * Finds the interests with a pattern that covers a channel. A pattern without wildcards is one map
 * look-up. The others are a compressed trie: a chain of tokens without a branch is one node.
 * Example: `a.b.c.*` and `a.b.d.>` have three nodes below the root (`a.b`, `c.*`, `d`).
 * A match visits only the branches that wildcards open, whatever the number of subscribers.
 */
export class PatternIndex<Interest> {
  readonly #exact = new Map<string, OneOrSeveral<Interest>>();
  readonly #root: Node<Interest> = createNode('');
  #patterns = 0;
  /** Nodes that all matches have visited so far. */
  visits = 0;

  /** The number of nodes. */
  get size(): number {
    return countNodes(this.#root);
  }

  add(pattern: string, interest: Interest): void {
    if (!hasWildcard(pattern)) {
      this.#exact.set(pattern, withOne(this.#exact.get(pattern), interest));
      return;
    }
    this.#patterns++;
    const endsWithRest = pattern.endsWith('>');
    const at = findOrCreateNode(this.#root, tokensOf(pattern, endsWithRest));
    if (endsWithRest) at.restValues = withOne(at.restValues, interest);
    else at.values = withOne(at.values, interest);
  }

  remove(pattern: string, interest: Interest): void {
    if (!hasWildcard(pattern)) {
      const left = withoutOne(this.#exact.get(pattern), interest);
      if (left === undefined) this.#exact.delete(pattern);
      else this.#exact.set(pattern, left);
      return;
    }
    const endsWithRest = pattern.endsWith('>');
    const path = findPath(this.#root, tokensOf(pattern, endsWithRest));
    const at = path?.at(-1)?.node;
    const held = endsWithRest ? at?.restValues : at?.values;
    if (path === undefined || at === undefined || !holds(held, interest)) return;
    this.#patterns--;
    const left = withoutOne(held, interest);
    if (endsWithRest) at.restValues = left;
    else at.values = left;
    if (left === undefined) compact(path);
  }

  /**
   * Calls `onMatch` for each pattern that covers the channel: more than once for an interest with
   * several such patterns.
   */
  match(channel: string, onMatch: (interest: Interest) => void): void {
    const exact = this.#exact.get(channel);
    if (exact !== undefined) forEachOf(exact, onMatch);
    if (this.#patterns > 0) this.#walk(this.#root, channel, 0, onMatch);
  }

  /** @param from index of the channel's next token; beyond its end when there is none */
  #walk(at: Node<Interest>, channel: string, from: number, onMatch: (interest: Interest) => void): void {
    this.visits++;
    const next = at.rest === '' ? from : matchChain(at.rest, channel, from);
    if (next < 0) return;
    if (next > channel.length) {
      if (at.values !== undefined) forEachOf(at.values, onMatch);
      return;
    }
    if (at.restValues !== undefined) forEachOf(at.restValues, onMatch);
    if (at.children === undefined && at.star === undefined) return;
    const end = endOfToken(channel, next);
    const named = at.children?.get(channel.slice(next, end));
    if (named !== undefined) this.#walk(named, channel, end + 1, onMatch);
    if (at.star !== undefined) this.#walk(at.star, channel, end + 1, onMatch);
  }
}

/**
 * A node of the trie. Its parent holds it under one token. Empty members are not allocated, because
 * each customer's `orders.42.>` is a node.
 */
interface Node<Interest> {
  /** The tokens that follow this one without a branch: `b.*.c`, or empty. */
  rest: string;
  /** Interests of the patterns that end here. */
  values: OneOrSeveral<Interest> | undefined;
  /** Interests of the patterns that end here with `>`. */
  restValues: OneOrSeveral<Interest> | undefined;
  children: Map<string, Node<Interest>> | undefined;
  star: Node<Interest> | undefined;
}

/** The path to a node. Each node has the token under which its parent holds it. */
type Path<Interest> = { readonly node: Node<Interest>; readonly token: string }[];

function createNode<Interest>(rest: string): Node<Interest> {
  return { rest, values: undefined, restValues: undefined, children: undefined, star: undefined };
}

/** The tokens of a pattern, without a `>` at its end. */
function tokensOf(pattern: string, endsWithRest: boolean): string[] {
  const tokens = pattern.split('.');
  if (endsWithRest) tokens.pop();
  return tokens;
}

function childOf<Interest>(at: Node<Interest>, token: string): Node<Interest> | undefined {
  return token === '*' ? at.star : at.children?.get(token);
}

function attach<Interest>(at: Node<Interest>, token: string, child: Node<Interest>): void {
  if (token === '*') at.star = child;
  else (at.children ??= new Map()).set(token, child);
}

function detach<Interest>(at: Node<Interest>, token: string): void {
  if (token === '*') at.star = undefined;
  else if (at.children?.delete(token) === true && at.children.size === 0) at.children = undefined;
}

/** The node at which a pattern ends. Creates it, and splits a chain, where there is none. */
function findOrCreateNode<Interest>(root: Node<Interest>, tokens: readonly string[]): Node<Interest> {
  let at = root;
  for (let index = 0; index < tokens.length;) {
    const token = tokens[index++] as string;
    let next = childOf(at, token);
    if (next === undefined) {
      attach(at, token, (next = createNode(tokens.slice(index).join('.'))));
      return next;
    }
    const rest = next.rest === '' ? [] : next.rest.split('.');
    let same = 0;
    while (same < rest.length && rest[same] === tokens[index + same]) same++;
    if (same < rest.length) {
      const upper = createNode<Interest>(rest.slice(0, same).join('.'));
      attach(upper, rest[same] as string, next);
      next.rest = rest.slice(same + 1).join('.');
      attach(at, token, upper);
      next = upper;
    }
    index += same;
    at = next;
  }
  return at;
}

/** The path to the node at which a pattern ends, if there is one. */
function findPath<Interest>(root: Node<Interest>, tokens: readonly string[]): Path<Interest> | undefined {
  const path: Path<Interest> = [{ node: root, token: '' }];
  for (let index = 0; index < tokens.length;) {
    const token = tokens[index++] as string;
    const next = childOf((path.at(-1) as Path<Interest>[number]).node, token);
    if (next === undefined) return undefined;
    path.push({ node: next, token });
    if (next.rest === '') continue;
    for (const each of next.rest.split('.')) if (each !== tokens[index++]) return undefined;
  }
  return path;
}

/**
 * Compacts a path after its last node has become empty. The node is removed, or merged with its
 * only child. The same may hold for its parent.
 */
function compact<Interest>(path: Path<Interest>): void {
  for (let depth = path.length - 1; depth > 0 && depth >= path.length - 2; depth--) {
    const { node: at, token } = path[depth] as Path<Interest>[number];
    if (at.values !== undefined || at.restValues !== undefined) return;
    const children = (at.children?.size ?? 0) + (at.star === undefined ? 0 : 1);
    if (children > 1) return;
    if (children === 1) return mergeWithChild(at);
    detach((path[depth - 1] as Path<Interest>[number]).node, token);
  }
}

function mergeWithChild<Interest>(at: Node<Interest>): void {
  const [token, child] = at.star === undefined ? ([...(at.children ?? [])][0] ?? ['', at]) : (['*', at.star] as const);
  at.rest = [at.rest, token, child.rest].filter((part) => part !== '').join('.');
  at.values = child.values;
  at.restValues = child.restValues;
  at.children = child.children;
  at.star = child.star;
}

function countNodes<Interest>(at: Node<Interest>): number {
  let nodes = 1 + (at.star === undefined ? 0 : countNodes(at.star));
  for (const child of at.children?.values() ?? []) nodes += countNodes(child);
  return nodes;
}

/** The index in a channel behind the tokens of a chain; -1 when they do not match. */
function matchChain(rest: string, channel: string, from: number): number {
  if (from > channel.length) return -1;
  let at = 0;
  for (;;) {
    if (rest.charCodeAt(at) === STAR) {
      at++;
      from = endOfToken(channel, from);
    } else {
      while (at < rest.length && rest.charCodeAt(at) !== DOT) {
        if (rest.charCodeAt(at++) !== channel.charCodeAt(from++)) return -1;
      }
    }
    const isEnded = from === channel.length;
    if (!isEnded && channel.charCodeAt(from) !== DOT) return -1;
    if (at === rest.length) return from + 1;
    if (isEnded) return -1;
    at++;
    from++;
  }
}

const DOT = 46;
const STAR = 42;
