import * as z from 'zod';
import type { TokenKeySettings } from '../../core/access/identity-settings.ts';
import { field, integerField } from '../../settings/field.ts';

const DAY_SECONDS = 86_400;

const text = (max: number): z.ZodString => z.string().min(1).max(max);

const sources = [
  'secret',
  'secretFile',
  'secretEnvironment',
  'publicKey',
  'publicKeyFile',
  'publicKeyEnvironment',
] as const;

const key = z
  .strictObject({
    algorithm: z.enum(['HS256', 'RS256', 'ES256', 'EdDSA']),
    kid: text(255).optional(),
    secret: text(8192).optional(),
    secretFile: text(4096).optional(),
    secretEnvironment: text(255).optional(),
    publicKey: z.union([text(65_536), z.record(z.string(), z.unknown())]).optional(),
    publicKeyFile: text(4096).optional(),
    publicKeyEnvironment: text(255).optional(),
  })
  .refine(hasOneSource, {
    message:
      'must have one of secret, secretFile, secretEnvironment (for HS256), publicKey, publicKeyFile, publicKeyEnvironment (for the other algorithms)',
  });

function hasOneSource(value: TokenKeySettings): boolean {
  const [given, ...more] = sources.filter((name) => value[name] !== undefined);
  return given !== undefined && more.length === 0 && given.startsWith('secret') === (value.algorithm === 'HS256');
}

const issuer = z
  .strictObject({
    issuer: text(1000).optional(),
    audience: z.union([text(1000).transform((one) => [one]), z.array(text(1000)).min(1).max(20)]).optional(),
    userClaim: text(200).default('sub'),
    leewaySeconds: z.int().min(0).max(600).default(5),
    lifetimeMaxSeconds: z
      .int()
      .min(1)
      .max(366 * DAY_SECONDS)
      .default(7 * DAY_SECONDS),
    keys: z.array(key).min(1).max(20).optional(),
    jwksUrl: z
      .string()
      .refine(isWebUrl, 'must be an http or https URL without a user name, password or fragment')
      .optional(),
    algorithms: z
      .array(z.enum(['RS256', 'ES256', 'EdDSA']))
      .min(1)
      .optional(),
  })
  .refine(({ keys, jwksUrl }) => keys === undefined || jwksUrl === undefined, {
    message: 'must have either keys or jwksUrl',
  })
  .refine((value) => value.keys !== undefined || value.jwksUrl !== undefined || isDiscoverable(value.issuer), {
    message:
      'must have keys, jwksUrl, or an https URL as its issuer, which publishes /.well-known/openid-configuration',
  })
  .refine(({ algorithms, keys }) => algorithms === undefined || keys === undefined, {
    message: 'algorithms requires jwksUrl; each of keys has its own algorithm',
  });

/**
 * "The URL … uses the https scheme and has no query or fragment component" (OpenID Connect
 * Discovery 1.0, section 3).
 */
function isDiscoverable(issuer: string | undefined): boolean {
  const url = issuer === undefined ? null : URL.parse(issuer);
  return url !== null && url.protocol === 'https:' && !/[?#@]/.test(issuer as string);
}

/** The settings of `identity` for tokens (PROTOCOL.md section 13.2). */
export const tokens = {
  tokens: field(
    z
      .array(issuer)
      .max(20)
      .refine(
        (list) => new Set(list.map((each) => each.issuer)).size === list.length,
        'must not contain two entries with the same issuer',
      )
      .default([]),
    {
      form: 'list of at most 20 issuers: `{issuer, audience, keys or jwksUrl or neither, algorithms, userClaim, leewaySeconds, lifetimeMaxSeconds}`',
      doc: 'The issuers of signed tokens (JWT) that the hub trusts, and their keys. `issuer` is the required `iss`; the entry without one applies to tokens that match no other entry. `audience` (one or a list): a token must name one of these. `keys`: at most 20 of `{algorithm, kid}` with the key. For HS256 it is `secret`, `secretFile` or `secretEnvironment` (32 bytes or more). For RS256, ES256 and EdDSA it is `publicKey` (PEM or JWK), `publicKeyFile` or `publicKeyEnvironment`. `jwksUrl`: the URL to fetch keys from instead, for the `algorithms` given (all but HS256). With neither, `issuer` must be an https URL whose `/.well-known/openid-configuration` names the keys (`jwks_uri`). `userClaim` (`sub`) names the user. `leewaySeconds` (5, 0 to 600): the tolerated difference between clocks. `lifetimeMaxSeconds` (604,800, a week; up to 366 days, and with both leeways less than `identity.revocationsKeptSeconds`): the hub refuses a token with a longer lifetime.',
      why: 'The hub trusts no issuer by default. Synchronised clocks differ by less than five seconds. The hub must store a revocation for as long as tokens live, and a week is longer than any token should live.',
      live: true,
    },
  ),
  tokenCookie: field(
    z
      .string()
      .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}$/)
      .nullable()
      .default(null),
    {
      form: 'name of a cookie or null',
      doc: 'The cookie that may contain a token, from pages of allowed origins only. `Authorization` and `token=` take precedence.',
      why: 'Only a hub in the same domain as its site needs it. Other hubs should not read cookies.',
    },
  ),
  tokensCachedMax: integerField(
    { unit: 'tokens', min: 0, max: 10_000_000, default: 20_000 },
    {
      doc: 'The maximum number of verified tokens in the cache, stored as a hash until they expire. One that was not used for long is dropped first. A cached token needs no new verification.',
      why: 'Clients that reconnect present the same tokens. An entry takes about 0.4 kB.',
    },
  ),
  jwksRefreshSeconds: integerField(
    { unit: 'seconds', min: 10, max: DAY_SECONDS, default: 600 },
    {
      doc: 'How often the hub fetches the keys of a `jwksUrl` again, in the background. It stops trusting keys that are no longer listed.',
      why: 'A stolen key remains usable for at most ten minutes after its withdrawal.',
    },
  ),
  jwksKeptSeconds: integerField(
    { unit: 'seconds', min: 10, max: 30 * DAY_SECONDS, default: DAY_SECONDS },
    {
      doc: 'While fetches of a `jwksUrl` fail, the hub trusts the last fetched keys for this long. After that: `503 identity_unavailable`.',
      why: 'A day outlasts the worst outage of an issuer. Keys that have been unconfirmed for longer should not grant access.',
    },
  ),
  jwksCooldownSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 30 },
    {
      doc: 'A token with an unknown `kid` makes the hub fetch the keys again, but not sooner than this after the last fetch.',
      why: 'A new key is usually known immediately, and a client that invents key ids causes at most two fetches a minute.',
    },
  ),
  jwksTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 60_000, default: 5000 },
    {
      doc: 'The timeout of a fetch of keys, from the name lookup to the last byte. The response may have at most 64 KiB and 100 keys.',
      why: 'A key set is a small static document. After five seconds, a client is better served by an error.',
    },
  ),
};

function isWebUrl(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return false;
  return parsed.username === '' && parsed.password === '' && !url.includes('#');
}
