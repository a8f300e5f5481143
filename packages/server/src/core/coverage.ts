import { hasWildcard, matches } from '@polycast/protocol';
import { PatternIndex } from './pattern-index.ts';

/** From so many patterns on a look at the branches of a channel is cheaper than a look at each pattern. */
const EACH_MAX = 8;

/**
 * Whether any of a few patterns covers a channel. It remembers no channels: there may be very many of them, and as many
 * consumers with patterns of their own.
 */
export class Coverage {
  readonly #channels: ReadonlySet<string>;
  readonly #few: readonly Wild[] | undefined;
  readonly #many: PatternIndex<undefined> | undefined;

  constructor(patterns: readonly string[]) {
    const wild = patterns.filter(hasWildcard);
    this.#channels = new Set(wild.length === 0 ? patterns : patterns.filter((pattern) => !hasWildcard(pattern)));
    if (wild.length <= EACH_MAX) this.#few = wild.map(wildOf);
    else {
      this.#many = new PatternIndex();
      for (const pattern of wild) this.#many.add(pattern, undefined);
    }
  }

  covers(channel: string): boolean {
    if (this.#channels.has(channel)) return true;
    if (this.#few !== undefined) return this.#few.some((wild) => wildCovers(wild, channel));
    let isFound = false;
    this.#many?.match(channel, () => (isFound = true));
    return isFound;
  }
}

/** A pattern with wildcards. Most end with their only one, and can be told by how a channel begins. */
interface Wild {
  readonly pattern: string;
  /** The tokens before the first wildcard, with their dots. */
  readonly begins: string;
  readonly rest: string;
}

function wildOf(pattern: string): Wild {
  const rest = pattern.slice(pattern.search(/[*>]/));
  return { pattern, begins: pattern.slice(0, pattern.length - rest.length), rest };
}

function wildCovers({ pattern, begins, rest }: Wild, channel: string): boolean {
  if (!channel.startsWith(begins)) return false;
  if (rest === '>') return true;
  return rest === '*' ? !channel.includes('.', begins.length) : matches(pattern, channel);
}
