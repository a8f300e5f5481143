import { createHmac } from 'node:crypto';

/** The cookie that may contain a token. */
export const TOKEN_COOKIE = 'hub_token';
export const ISSUER = 'https://shop.example';

/**
 * A JSON Web Token (RFC 7519) as any backend creates it: HS256, valid for ten minutes unless the
 * claims differ.
 */
export function signToken(secret: string, user: string, claims: Readonly<Record<string, unknown>> = {}): string {
  const nowS = Math.floor(Date.now() / 1000);
  const payload = { iss: ISSUER, aud: 'polycast', sub: user, iat: nowS, exp: nowS + 600, ...claims };
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
