/**
 * Channel patterns as in `@polycast/protocol` (PROTOCOL.md section 1.2), written for few bytes and
 * not for speed. A page has some patterns, a hub has thousands. A test compares the two.
 */

/** The private channel of the connection's user (PROTOCOL.md section 13.5). */
export const OWN_CHANNEL = '@me';

/**
 * Whether the text has the form of a channel or a pattern. The hub checks its further bounds
 * itself.
 */
export function isPattern(text: string): boolean {
  return /^(?=.{1,200}$)(([\w-]+|\*)\.)*([\w-]+|[*>])$/.test(text);
}

/** Returns an expression that matches the channels that one of the patterns covers. */
export function matcherOf(patterns: readonly string[]): RegExp {
  const source = patterns
    .join('|')
    .replace(OWN_CHANNEL, 'polycast.private.>')
    .replaceAll('.', '\\.')
    .replaceAll('*', '[^.]+')
    .replaceAll('>', '.+');
  return new RegExp(`^(${source})$`);
}
