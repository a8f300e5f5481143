/**
 * Channel names and patterns (PROTOCOL.md section 1): tokens of `[A-Za-z0-9_-]` with dots between
 * them. In a pattern `*` matches one token; `>`, as the last token, matches one or more. For
 * example, `orders.*` matches `orders.42`, and `orders.>` also `orders.42.status`.
 */

/** The longest channel name or pattern, in characters. */
export const CHANNEL_LENGTH_MAX = 200;

/** The form of a channel. */
export const CHANNEL: RegExp = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
/** The form of a pattern; its tokens and wildcards have bounds as well. */
export const PATTERN: RegExp = /^(?:(?:[A-Za-z0-9_-]+|\*)\.)*(?:[A-Za-z0-9_-]+|\*|>)$/;

/** Whether the text is a name to which events can be published. */
export function isChannel(text: string): boolean {
  return text.length <= CHANNEL_LENGTH_MAX && CHANNEL.test(text);
}

/** Whether the text is a name or a pattern to which clients can subscribe. */
export function isPattern(text: string): boolean {
  return text.length <= CHANNEL_LENGTH_MAX && PATTERN.test(text) && (!hasWildcard(text) || isWithinBounds(text));
}

/** The most tokens of a pattern that has a wildcard. */
export const PATTERN_TOKENS_MAX = 16;

/**
 * The most tokens `*` of a pattern. The two bounds limit the number of different patterns that can
 * cover one channel to some 9,000. This bounds the cost of a publish. Without this limit the number
 * is 2 to the power of the tokens.
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

/** Whether a valid pattern contains a wildcard, and so is not a channel name. */
export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>');
}

/** Whether a valid pattern matches a valid channel name. O(characters), without allocations. */
export function matches(pattern: string, channel: string): boolean {
  let patternIndex = 0;
  let channelIndex = 0;
  for (;;) {
    // Both indexes are at the beginning of a token.
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

/** The end of the token that begins at `from`. */
export function endOfToken(text: string, from: number): number {
  const dot = text.indexOf('.', from);
  return dot < 0 ? text.length : dot;
}

const DOT = 46;
const STAR = 42;
const REST_WILDCARD = 62;
