import { hasWildcard, matches } from '@polycast/protocol';
import { PatternIndex } from './pattern-index.ts';

/** From so many patterns on a look at the branches of a channel is cheaper than a look at each pattern. */
const LINEAR_SCAN_MAX = 8;

/**
 * Whether any of a few patterns covers a channel. It remembers no channels: there may be very many of them, and as many
 * consumers with patterns of their own.
 */
export class PatternSet {
  readonly #exact: ReadonlySet<string>;
  readonly #wildcards: readonly WildcardPattern[] | undefined;
  readonly #index: PatternIndex<undefined> | undefined;

  constructor(patterns: readonly string[]) {
    const wild = patterns.filter(hasWildcard);
    this.#exact = new Set(wild.length === 0 ? patterns : patterns.filter((pattern) => !hasWildcard(pattern)));
    if (wild.length <= LINEAR_SCAN_MAX) this.#wildcards = wild.map(parseWildcard);
    else {
      this.#index = new PatternIndex();
      for (const pattern of wild) this.#index.add(pattern, undefined);
    }
  }

  covers(channel: string): boolean {
    if (this.#exact.has(channel)) return true;
    if (this.#wildcards !== undefined) return this.#wildcards.some((wild) => wildcardCovers(wild, channel));
    let isFound = false;
    this.#index?.match(channel, () => (isFound = true));
    return isFound;
  }
}

/** A pattern with wildcards. Most end with their only one, and can be told by how a channel begins. */
interface WildcardPattern {
  readonly pattern: string;
  /** The tokens before the first wildcard, with their dots. */
  readonly prefix: string;
  readonly suffix: string;
}

function parseWildcard(pattern: string): WildcardPattern {
  const rest = pattern.slice(pattern.search(/[*>]/));
  return { pattern, prefix: pattern.slice(0, pattern.length - rest.length), suffix: rest };
}

function wildcardCovers({ pattern, prefix: begins, suffix: rest }: WildcardPattern, channel: string): boolean {
  if (!channel.startsWith(begins)) return false;
  if (rest === '>') return true;
  return rest === '*' ? !channel.includes('.', begins.length) : matches(pattern, channel);
}
