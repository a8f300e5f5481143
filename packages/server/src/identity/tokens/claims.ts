import { isPattern, PolycastError } from '@polycast/protocol';
import { isUser } from '../../core/access/private-channel.ts';
import type { Grants, Principal, Signer } from '../../core/access/principal.ts';
import { invalidTokenError } from './compact-token.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** The requirements on the claims of an issuer's tokens. */
export interface ClaimRules {
  readonly issuer: string | undefined;
  /** A token's `aud` must name one of these. If there are none, a token must have no `aud`. */
  readonly audiences: readonly string[];
  /** The tolerated difference between the clocks of issuer and hub. */
  readonly leewayMs: number;
  /**
   * A token with a longer lifetime is refused, because a revocation is stored for a limited time.
   */
  readonly lifetimeMaxMs: number;
  /** The claim that names the user, for example `sub`. */
  readonly userClaim: string;
}

/**
 * Returns the principal of a token with a verified signature (RFC 7519, section 4.1; RFC 8725).
 * @throws PolycastError `unauthorized`, `token_expired`
 */
export function principalFromClaims(claims: JsonObject, rules: ClaimRules, signer: Signer, nowMs: number): Principal {
  checkIssuerAndAudience(claims, rules);
  const { issuedMs, expiresMs } = timesOf(claims, rules, nowMs);
  const { jti, info, polycast } = claims;
  if (jti !== undefined && (typeof jti !== 'string' || jti === '' || jti.length > NAME_LENGTH_MAX))
    throw invalidTokenError(`The token's jti is not a string of 1 to ${NAME_LENGTH_MAX} characters.`);
  return {
    kind: 'user',
    user: userIn(claims[rules.userClaim], rules.userClaim),
    info,
    claims: otherClaims(claims, rules.userClaim),
    grants: grantsIn(polycast),
    key: undefined,
    token: jti,
    signer,
    issuedMs,
    expiresMs,
  };
}

/** The claims that rules can refer to. Most tokens have none. */
function otherClaims(claims: JsonObject, userClaim: string): Principal['claims'] {
  const others = Object.keys(claims).filter((name) => !REGISTERED.has(name) && name !== userClaim);
  return others.length === 0 ? NO_CLAIMS : Object.fromEntries(others.map((name) => [name, claims[name]]));
}

/** Claims with a meaning of their own. */
const REGISTERED: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'info', 'polycast']);
const NO_CLAIMS: Principal['claims'] = {};
const NAME_LENGTH_MAX = 255;
const PATTERNS_MAX = 100;

function checkIssuerAndAudience({ iss, aud }: JsonObject, { issuer, audiences }: ClaimRules): void {
  if (issuer !== undefined && iss !== issuer) throw invalidTokenError('The token has another issuer.');
  if (aud === undefined && audiences.length === 0) return;
  const tokenAudiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!tokenAudiences.some((audience) => typeof audience === 'string' && audiences.includes(audience)))
    throw invalidTokenError('The token is not for this hub: its aud differs.');
}

function timesOf(
  claims: JsonObject,
  { leewayMs, lifetimeMaxMs }: ClaimRules,
  nowMs: number,
): { readonly issuedMs: number; readonly expiresMs: number } {
  const end = timeIn(claims, 'exp');
  if (end === undefined) throw invalidTokenError('The token has no exp, so it would never expire.');
  const expiresMs = end + leewayMs;
  if (nowMs >= expiresMs) throw new PolycastError('token_expired', `The token expired at ${timeText(end)}.`);
  const begin = timeIn(claims, 'nbf');
  if (begin !== undefined && nowMs + leewayMs < begin)
    throw invalidTokenError(`The token is not valid before ${timeText(begin)}.`);
  const issuedMs = timeIn(claims, 'iat');
  if (issuedMs !== undefined && nowMs + leewayMs < issuedMs)
    throw invalidTokenError('The token was issued in the future.');
  if (end - (issuedMs ?? nowMs) > lifetimeMaxMs + leewayMs)
    throw invalidTokenError(`The token is valid for longer than ${lifetimeMaxMs / 1000} s, the limit of this hub.`);
  return { issuedMs: issuedMs ?? 0, expiresMs };
}

/** Converts a NumericDate (seconds since 1970) to milliseconds. */
function timeIn(claims: JsonObject, name: 'exp' | 'nbf' | 'iat'): number | undefined {
  const seconds = claims[name];
  if (seconds === undefined) return undefined;
  if (typeof seconds !== 'number' || seconds < 0 || seconds > SECONDS_MAX)
    throw invalidTokenError(`The token's ${name} is not a time in seconds.`);
  return seconds * 1000;
}

/** The largest moment of a `Date`. */
const SECONDS_MAX = 8.64e12;

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** A user may be a whole number, for sites that number their users. */
function userIn(value: unknown, claim: string): string {
  const user = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof user === 'string' && isUser(user)) return user;
  throw invalidTokenError(`The token names no user: ${claim} is not a string of 1 to 128 characters.`);
}

function grantsIn(polycast: unknown): Grants {
  if (polycast === undefined) return NO_GRANTS;
  if (!isObject(polycast)) throw invalidTokenError("The token's polycast is not an object.");
  const { subscribe, publish, console, ...unknown } = polycast;
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw invalidTokenError(
      `The token's polycast has ${JSON.stringify(name)}. Its members are "subscribe" and "publish", lists of channels and patterns, and "console", true or false. Example: {"subscribe":["orders.7"]}.`,
    );
  if (console !== undefined && typeof console !== 'boolean')
    throw invalidTokenError("The token's polycast.console is not true or false.");
  return {
    ...(subscribe === undefined ? {} : { subscribe: patternsIn(subscribe, 'subscribe') }),
    ...(publish === undefined ? {} : { publish: patternsIn(publish, 'publish') }),
    ...(console === true && { console }),
  };
}

const NO_GRANTS: Grants = {};

function patternsIn(value: unknown, name: string): readonly string[] {
  const isList = Array.isArray(value) && value.length <= PATTERNS_MAX;
  if (isList && value.every((pattern) => typeof pattern === 'string' && isPattern(pattern))) return value as string[];
  throw invalidTokenError(
    `The token's polycast.${name} is not a list of at most ${PATTERNS_MAX} channels and patterns, such as ["orders.7"].`,
  );
}
