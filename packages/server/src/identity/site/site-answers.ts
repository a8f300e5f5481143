import { isPattern } from '@polycast/protocol';
import { isUser } from '../../core/access/private-channel.ts';
import { ANONYMOUS, type Grants, type Principal } from '../../core/access/principal.ts';
import type { SiteAnswer } from './site-lookup.ts';
import { SiteFailure } from './site-failure.ts';

/** The configured bounds on the lifetimes of answers. */
export interface AnswerLifetimes {
  readonly ttlMsMax: number;
  readonly refusalMs: number;
}

/**
 * The moments of the question and of its answer, in milliseconds since 1970, and a random number in
 * [0, 1).
 */
export interface AnswerTiming {
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly chance: number;
}

const INFO_BYTES_MAX = 4096;
const CLAIMS_BYTES_MAX = 8192;
const PATTERNS_MAX = 100;

/**
 * Parses the answer to a login question (PROTOCOL.md section 13.3).
 * @param text the body of a `200`; `undefined` after a 401 or 403: no user
 * @throws SiteFailure for any other form
 */
export function parseLoginAnswer(
  text: string | undefined,
  timing: AnswerTiming,
  lifetimes: AnswerLifetimes,
): SiteAnswer<Principal> {
  const answer = text === undefined ? { user: null } : readObject(text, LOGIN_MEMBERS);
  if (answer['user'] === null) {
    const ttlMs = answer['ttlSeconds'] === undefined ? Infinity : readTtlMs(answer['ttlSeconds'], 0);
    const freshUntilMs = timing.answeredMs + Math.min(ttlMs, lifetimes.refusalMs);
    return { value: ANONYMOUS, user: undefined, isPositive: false, freshUntilMs };
  }
  const user = readUser(answer['user']);
  const freshUntilMs = readUntilMs(answer['ttlSeconds'], 1, timing, lifetimes);
  const value: Principal = {
    ...ANONYMOUS,
    kind: 'user',
    user,
    info: readInfo(answer['info']),
    claims: readClaims(answer['claims']),
    grants: readGrants(answer),
    issuedMs: timing.askedMs,
    expiresMs: freshUntilMs,
  };
  return { value, user, isPositive: true, freshUntilMs };
}

/**
 * Parses the answer to a channel question (PROTOCOL.md section 13.3).
 * @throws SiteFailure
 */
export function parseChannelAnswer(
  text: string,
  user: string,
  timing: AnswerTiming,
  lifetimes: AnswerLifetimes,
): SiteAnswer<boolean> {
  const answer = readObject(text, CONSENT_MEMBERS);
  const { allowed } = answer;
  if (typeof allowed !== 'boolean') throw malformedAnswer('"allowed" must be true or false');
  if (allowed)
    return {
      value: true,
      user,
      isPositive: true,
      freshUntilMs: readUntilMs(answer['ttlSeconds'], 0, timing, lifetimes),
    };
  const ttlMs = answer['ttlSeconds'] === undefined ? Infinity : readTtlMs(answer['ttlSeconds'], 0);
  return {
    value: false,
    user,
    isPositive: false,
    freshUntilMs: timing.answeredMs + Math.min(ttlMs, lifetimes.refusalMs),
  };
}

const LOGIN_MEMBERS: ReadonlySet<string> = new Set(['user', 'info', 'claims', 'subscribe', 'publish', 'ttlSeconds']);
const CONSENT_MEMBERS: ReadonlySet<string> = new Set(['allowed', 'ttlSeconds']);

function readObject(text: string, members: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformedAnswer('it is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformedAnswer('it is not a JSON object');
  const unknown = Object.keys(value).find((name) => !members.has(name));
  if (unknown !== undefined) throw malformedAnswer(`${JSON.stringify(unknown.slice(0, 100))} is unknown`);
  return value as Readonly<Record<string, unknown>>;
}

/** A user may be a whole number: most sites have numbers for their users. */
function readUser(value: unknown): string {
  const user = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof user === 'string' && isUser(user)) return user;
  throw malformedAnswer(
    '"user" must be a string of 1 to 128 characters without control characters, a whole number or null',
  );
}

/** The random part spreads the ends of answers that arrived together. */
function readUntilMs(
  value: unknown,
  secondsMin: number,
  { answeredMs, chance }: AnswerTiming,
  { ttlMsMax }: AnswerLifetimes,
): number {
  return answeredMs + Math.floor(Math.min(readTtlMs(value, secondsMin), ttlMsMax) * (1 - chance * TTL_SPREAD));
}

const TTL_SPREAD = 0.1;

function readTtlMs(value: unknown, secondsMin: number): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= secondsMin) return value * 1000;
  throw malformedAnswer(`"ttlSeconds" must be a number of ${secondsMin} or more`);
}

function readInfo(value: unknown): unknown {
  if (value === undefined || Buffer.byteLength(JSON.stringify(value)) <= INFO_BYTES_MAX) return value;
  throw malformedAnswer(`"info" must be at most ${INFO_BYTES_MAX} bytes of JSON`);
}

function readClaims(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return ANONYMOUS.claims;
  // PHP encodes an empty associative array as `[]`.
  if (Array.isArray(value) && value.length === 0) return ANONYMOUS.claims;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject && Buffer.byteLength(JSON.stringify(value)) <= CLAIMS_BYTES_MAX)
    return value as Readonly<Record<string, unknown>>;
  throw malformedAnswer(`"claims" must be an object of at most ${CLAIMS_BYTES_MAX} bytes of JSON`);
}

function readGrants({ subscribe, publish }: Readonly<Record<string, unknown>>): Grants {
  if (subscribe === undefined && publish === undefined) return ANONYMOUS.grants;
  return {
    ...(subscribe === undefined ? {} : { subscribe: readPatterns('subscribe', subscribe) }),
    ...(publish === undefined ? {} : { publish: readPatterns('publish', publish) }),
  };
}

function readPatterns(name: string, value: unknown): readonly string[] {
  const isList = Array.isArray(value) && value.length <= PATTERNS_MAX;
  if (isList && value.every((each) => typeof each === 'string' && isPattern(each))) return value as string[];
  throw malformedAnswer(`"${name}" must be a list of at most ${PATTERNS_MAX} channels and patterns`);
}

function malformedAnswer(problem: string): SiteFailure {
  return new SiteFailure(`its answer is not valid: ${problem}`);
}
