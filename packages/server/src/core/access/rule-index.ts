import { endOfToken } from '@polycast/protocol';

/**
 * An index of rules by the first token of their patterns, in their order. For `orders.42` it
 * returns those that begin with `orders`, `*`, `>` or `{user}`. Most rules of a site begin with
 * different tokens, so each channel is compared with few of them.
 */
export class RuleIndex<Rule extends { readonly pattern: string }> {
  readonly #all: readonly Rule[];
  /** Rules that begin with a wildcard: for channels with a first token that no pattern has. */
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

  /** All rules that may overlap a channel or a pattern, in their order. */
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
