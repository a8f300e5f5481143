/**
 * What `@polycast/protocol` says of patterns (PROTOCOL.md section 1.2), in the fewest bytes and not the fewest cycles: a page has some
 * patterns, a hub has thousands. A test holds it to that.
 */

/** The private channel of whoever the hub takes us for (PROTOCOL.md section 13.5). */
export const OWN_CHANNEL = '@me';

/** Whether it has the form of a channel or a pattern. What a hub bounds besides, it refuses itself. */
export function isPattern(text: string): boolean {
  return /^(?=.{1,200}$)(?:(?:[\w-]+|\*)\.)*(?:[\w-]+|[*>])$/.test(text);
}

/** Matches the channels that one of these covers. */
export function matcherOf(patterns: readonly string[]): RegExp {
  const source = patterns
    .join('|')
    .replace(OWN_CHANNEL, 'polycast.private.>')
    .replaceAll('.', '\\.')
    .replaceAll('*', '[^.]+')
    .replaceAll('>', '.+');
  return new RegExp(`^(?:${source})$`);
}
