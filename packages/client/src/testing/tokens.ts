import { createHmac } from 'node:crypto';

const SECRET = 'a secret of these tests, and of no others';

/** The settings by which the hubs of these tests verify tokens. */
export const TOKEN_SETTINGS: readonly string[] = [
  `identity.tokens=[{"leewaySeconds":0,"keys":[{"algorithm":"HS256","secret":"${SECRET}"}]}]`,
];

/** Makes a token (RFC 7519) that such a hub accepts. */
export function tokenOf(user: string, lifeSeconds = 3600, claims: object = {}): string {
  const nowSeconds = Date.now() / 1000;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: nowSeconds, exp: nowSeconds + lifeSeconds, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
