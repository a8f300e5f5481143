/**
 * Channel names and patterns (PROTOCOL.md section 1): dot-separated tokens of `[A-Za-z0-9_-]`; in a pattern `*` stands
 * for one token and `>`, as the last, for one or more.
 */

/** The longest channel name or pattern, in characters. */
export const CHANNEL_LENGTH_MAX = 200;

const CHANNEL = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const PATTERN = /^(?:(?:[A-Za-z0-9_-]+|\*)\.)*(?:[A-Za-z0-9_-]+|\*|>)$/;

/** A name that events can be published to. */
export function isChannel(text: string): boolean {
  return text.length <= CHANNEL_LENGTH_MAX && CHANNEL.test(text);
}

/** A name or a pattern that can be subscribed to. */
export function isPattern(text: string): boolean {
  return text.length <= CHANNEL_LENGTH_MAX && PATTERN.test(text) && (!hasWildcard(text) || isWithinBounds(text));
}

/** Tokens of a pattern that has a wildcard. */
export const PATTERN_TOKENS_MAX = 16;

/**
 * How many of them may be `*`. Together the two bound how many different patterns can cover one channel, and with it what
 * a publish costs, whatever is subscribed to: some 9,000. Without the second bound it is 2 to the power of the tokens.
 */
export const PATTERN_STARS_MAX = 4;

function isWithinBounds(pattern: string): boolean {
  let tokens = 1;
  let stars = 0;
  for (let index = 0; index < pattern.length; index++) {
    const code = pattern.charCodeAt(index);
    if (code === DOT) tokens++;
    else if (code === STAR) stars++;
  }
  return tokens <= PATTERN_TOKENS_MAX && stars <= PATTERN_STARS_MAX;
}

/** Whether a valid pattern holds a wildcard, and so is no channel name. */
export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>');
}

/** Whether a valid pattern covers a valid channel name. O(characters), and it allocates nothing. */
export function matches(pattern: string, channel: string): boolean {
  let patternIndex = 0;
  let channelIndex = 0;
  for (;;) {
    // Both are at the beginning of a token.
    const first = pattern.charCodeAt(patternIndex);
    if (first === REST_WILDCARD) return true;
    if (first === STAR) {
      patternIndex++;
      channelIndex = endOfToken(channel, channelIndex);
    } else {
      while (patternIndex < pattern.length && pattern.charCodeAt(patternIndex) !== DOT) {
        if (pattern.charCodeAt(patternIndex++) !== channel.charCodeAt(channelIndex++)) return false;
      }
    }
    if (patternIndex >= pattern.length || channelIndex >= channel.length)
      return patternIndex === pattern.length && channelIndex === channel.length;
    if (channel.charCodeAt(channelIndex) !== DOT) return false;
    patternIndex++;
    channelIndex++;
  }
}

/** Where the token that begins at `from` ends. */
export function endOfToken(text: string, from: number): number {
  const dot = text.indexOf('.', from);
  return dot < 0 ? text.length : dot;
}

const DOT = 46;
const STAR = 42;
const REST_WILDCARD = 62;
