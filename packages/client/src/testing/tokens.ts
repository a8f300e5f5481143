import { createHmac } from 'node:crypto';

const SECRET = 'a secret of these tests, and of no others';

/** What a hub of these tests is to know users by. */
export const TOKEN_SETTINGS: readonly string[] = [
  `identity.tokens=[{"leewaySeconds":0,"keys":[{"algorithm":"HS256","secret":"${SECRET}"}]}]`,
];

/** A token (RFC 7519) that such a hub believes. */
export function tokenOf(user: string, lifeSeconds = 3600, claims: object = {}): string {
  const nowSeconds = Date.now() / 1000;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: nowSeconds, exp: nowSeconds + lifeSeconds, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
