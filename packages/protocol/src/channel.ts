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
  return text.length <= CHANNEL_LENGTH_MAX && PATTERN.test(text);
}

/** Whether a valid pattern holds a wildcard, and so is no channel name. */
export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>');
}

/** Whether a valid pattern covers a valid channel name. O(tokens). */
export function matches(pattern: string, channel: string): boolean {
  if (!hasWildcard(pattern)) return pattern === channel;
  const wanted = pattern.split('.');
  const tokens = channel.split('.');
  for (let index = 0; index < wanted.length; index++) {
    const token = wanted[index];
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return tokens.length === wanted.length;
}
