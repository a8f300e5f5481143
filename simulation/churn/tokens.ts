import { createHmac } from 'node:crypto';

export const SECRET = 'a secret of thirty-two bytes or more';

/**
 * A token of the site for a user. It is valid for the whole run, and for less than a week, the
 * limit of hubs.
 */
export function tokenOf(user: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + 6 * 86_400 })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
