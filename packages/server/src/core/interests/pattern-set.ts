import { hasWildcard, matches } from '@polycast/protocol';
import { PatternIndex } from './pattern-index.ts';

/**
 * With more wildcard patterns than this, a walk through an index is cheaper than a comparison with
 * each pattern.
 */
const LINEAR_SCAN_MAX = 8;

/**
 * Whether any of a few patterns covers a channel. It caches no channels: there may be very many,
 * and as many consumers with their own patterns.
 */
export class PatternSet {
  readonly #exact: ReadonlySet<string>;
  readonly #wildcards: readonly WildcardPattern[] | undefined;
  readonly #index: PatternIndex<true> | undefined;

  constructor(patterns: readonly string[]) {
    const wild = patterns.filter(hasWildcard);
    this.#exact = new Set(wild.length === 0 ? patterns : patterns.filter((pattern) => !hasWildcard(pattern)));
    if (wild.length <= LINEAR_SCAN_MAX) this.#wildcards = wild.map(parseWildcard);
    else {
      this.#index = new PatternIndex();
      for (const pattern of wild) this.#index.add(pattern, true);
    }
  }

  covers(channel: string): boolean {
    // A set hashes each channel that it has not seen, which takes up to 1 µs.
    if (this.#exact.size > 0 && this.#exact.has(channel)) return true;
    if (this.#wildcards !== undefined) {
      for (const wild of this.#wildcards) if (wildcardCovers(wild, channel)) return true;
      return false;
    }
    let isFound = false;
    this.#index?.match(channel, () => (isFound = true));
    return isFound;
  }
}

/**
 * A pattern with wildcards. Most have one, at the end: a comparison of the prefix then suffices.
 */
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
