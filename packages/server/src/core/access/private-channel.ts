import { isChannel } from '@polycast/protocol';

/** What a consumer or a publisher calls the private channel of whoever it is. */
export const OWN_CHANNEL_ALIAS = '@me';

/** What private channels begin with. */
export const PRIVATE_PREFIX = 'polycast.private.';

/** All private channels. */
export const PRIVATE_CHANNELS = 'polycast.private.>';

const TOKEN = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

/** Whether a site may call a user so: 1 to 128 characters, no control characters, and its channel's name must not be too long. */
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

const USER_LENGTH_MAX = 128;

/**
 * A user's name as one token of a channel: itself where it can be one, else `-` and its characters as in a URL, with `-` for `%`.
 * It is what `{user}` in a rule's pattern stands for. No two users have the same.
 */
export function userToken(user: string): string {
  if (TOKEN.test(user)) return user;
  const escaped = encodeURIComponent(user).replace(
    /[-.!~*'()]/g,
    (mark) => '%' + mark.charCodeAt(0).toString(16).toUpperCase(),
  );
  return '-' + escaped.replaceAll('%', '-');
}

/** The user whose token this is. */
export function userOfToken(token: string): string {
  return token.startsWith('-') ? decodeURIComponent(token.slice(1).replaceAll('-', '%')) : token;
}

/** The channel that only this user reads. */
export function privateChannel(user: string): string {
  return PRIVATE_PREFIX + userToken(user);
}

/** Whose private channel it is; `undefined` for any other channel. */
export function ownerOf(channel: string): string | undefined {
  return channel.startsWith(PRIVATE_PREFIX) ? userOfToken(channel.slice(PRIVATE_PREFIX.length)) : undefined;
}
