import { isChannel } from '@polycast/protocol';

/** The alias of a client's own private channel, for consumers and publishers. */
export const OWN_CHANNEL_ALIAS = '@me';

/** Prefix of the private channels. */
export const PRIVATE_PREFIX = 'polycast.private.';

/** All private channels. */
export const PRIVATE_CHANNELS = 'polycast.private.>';

const TOKEN = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

/**
 * Whether a text is a valid name of a user. It has 1 to 128 characters, no control characters, and
 * is not too long for the name of its private channel.
 */
export function isUser(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return (
    text.length > 0 &&
    text.length <= USER_LENGTH_MAX &&
    !/[\u0000-\u001f\u007f]/.test(text) &&
    text.isWellFormed() &&
    isChannel(privateChannel(text))
  );
}

/** The longest name of a user, in characters. */
export const USER_LENGTH_MAX = 128;

/**
 * A user's name as one token of a channel: the name itself where it is a valid token. Otherwise `-`
 * and the name with the escapes of a URL, with `-` for `%`. Example: `a@b.c` is `-a-40b-2Ec`.
 * It replaces `{user}` in a rule's pattern. No two users have the same token.
 */
export function userToken(user: string): string {
  if (TOKEN.test(user)) return user;
  const escaped = encodeURIComponent(user).replace(
    /[-.!~*'()]/g,
    (mark) => '%' + mark.charCodeAt(0).toString(16).toUpperCase(),
  );
  return '-' + escaped.replaceAll('%', '-');
}

/** The user with this token. */
export function userOfToken(token: string): string {
  return token.startsWith('-') ? decodeURIComponent(token.slice(1).replaceAll('-', '%')) : token;
}

/** The channel that only this user reads. */
export function privateChannel(user: string): string {
  return PRIVATE_PREFIX + userToken(user);
}

/** Whether this is the private channel of a user. Most channels are not private. */
export function isPrivateChannelOf(user: string, channel: string): boolean {
  return channel.startsWith(PRIVATE_PREFIX) && channel === privateChannel(user);
}

/** The owner of this private channel; `undefined` for any other channel. */
export function ownerOf(channel: string): string | undefined {
  return channel.startsWith(PRIVATE_PREFIX) ? userOfToken(channel.slice(PRIVATE_PREFIX.length)) : undefined;
}
