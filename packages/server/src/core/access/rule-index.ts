import { endOfToken } from '@polycast/protocol';

/**
 * Rules by the first token of their patterns, in their order: for `orders.42`, those that begin with `orders`, `*`, `>` or
 * `{user}`. Most rules of a site begin with different tokens, and are not looked at for each other's channels.
 */
export class RuleIndex<Rule extends { readonly pattern: string }> {
  readonly #all: readonly Rule[];
  /** Of patterns that begin with a wildcard: for channels whose first token no pattern has. */
  readonly #wildcardFirst: readonly Rule[];
  readonly #byToken = new Map<string, readonly Rule[]>();

  constructor(rules: readonly Rule[]) {
    this.#all = rules;
    this.#wildcardFirst = rules.filter(({ pattern }) => startsWithWildcard(pattern));
    for (const token of new Set(rules.map(({ pattern }) => firstToken(pattern)))) {
      this.#byToken.set(
        token,
        rules.filter(({ pattern }) => startsWithWildcard(pattern) || firstToken(pattern) === token),
      );
    }
  }

  /** All that may have to do with a channel or a pattern, in their order. */
  candidatesFor(target: string): readonly Rule[] {
    return startsWithWildcard(target) ? this.#all : (this.#byToken.get(firstToken(target)) ?? this.#wildcardFirst);
  }
}

function firstToken(pattern: string): string {
  return pattern.slice(0, endOfToken(pattern, 0));
}

function startsWithWildcard(pattern: string): boolean {
  return pattern.startsWith('*') || pattern.startsWith('>') || pattern.startsWith('{');
}
