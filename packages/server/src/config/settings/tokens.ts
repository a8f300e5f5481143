import * as z from 'zod';
import type { TokenKeySettings } from '../../core/access/identity-settings.ts';
import { field, integerField } from './field.ts';

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
      'must have one of secret, secretFile, secretEnvironment (for HS256), publicKey, publicKeyFile, publicKeyEnvironment (for the others)',
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
    message: 'algorithms is for jwksUrl; keys have their own',
  });

/**
 * "The URL … uses the https scheme and has no query or fragment component" (OpenID Connect Discovery
 * 1.0, section 3).
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
        'must not have two of the same issuer',
      )
      .default([]),
    {
      form: 'list of at most 20 issuers: `{issuer, audience, keys or jwksUrl or neither, algorithms, userClaim, leewaySeconds, lifetimeMaxSeconds}`',
      doc: 'Whose signed tokens (JWT) are believed, by which keys. `issuer` is what `iss` must be; the one without takes what no other does. `audience` (one or a list): a token must be meant for one of these. `keys`: at most 20 of `{algorithm, kid}` and, for HS256, `secret`, `secretFile` or `secretEnvironment` (32 bytes or more); for RS256, ES256 and EdDSA `publicKey` (PEM, or a JWK), `publicKeyFile` or `publicKeyEnvironment`. `jwksUrl`: where they are fetched instead, of the `algorithms` given (all but HS256). With neither, `issuer` must be an https URL: its keys are where its `/.well-known/openid-configuration` says (`jwks_uri`). `userClaim` (`sub`) names the user. `leewaySeconds` (5, 0 to 600): how far clocks may be apart. `lifetimeMaxSeconds` (604,800, a week; up to 366 days, and with both leeways less than `identity.revocationsKeptSeconds`): a token that is good for longer is refused.',
      why: "No one's tokens are believed until the hub is told whose. Five seconds are more than clocks that are kept are apart; a revocation must be remembered for as long as tokens live, and a week is longer than any should.",
    },
  ),
  tokenCookie: field(
    z
      .string()
      .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}$/)
      .nullable()
      .default(null),
    {
      form: 'name of a cookie, or null',
      doc: 'The cookie that a token may come in, from pages of allowed origins only. `Authorization` and `token=` go before it.',
      why: 'A hub beside a site of the same domain needs it; others should not look into cookies.',
    },
  ),
  tokensCachedMax: integerField(
    { unit: 'tokens', min: 0, max: 10_000_000, default: 20_000 },
    {
      doc: 'How many tokens that were verified are remembered, by a hash, until they expire; the one not used for longest goes first. Coming back with one of these costs no verification.',
      why: 'A crowd that reconnects brings the tokens it had; some 0.4 kB each.',
    },
  ),
  jwksRefreshSeconds: integerField(
    { unit: 'seconds', min: 10, max: DAY_SECONDS, default: 600 },
    {
      doc: 'Keys that were fetched from a `jwksUrl` are fetched anew, in the background, after this long; a key that is gone is trusted no more from then on.',
      why: 'Ten minutes is how long a key that was stolen and withdrawn may still be used.',
    },
  ),
  jwksKeptSeconds: integerField(
    { unit: 'seconds', min: 10, max: 30 * DAY_SECONDS, default: DAY_SECONDS },
    {
      doc: 'While a `jwksUrl` does not answer as it should, its keys of before are trusted for this long; then `503 identity_unavailable`.',
      why: "A day outlasts an issuer's worst outage; keys that nobody has vouched for in longer should not let anybody in.",
    },
  ),
  jwksCooldownSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 30 },
    {
      doc: 'A token with an unknown `kid` has the keys fetched anew, but no sooner than this after the last time.',
      why: 'A new key is known at once as a rule, and whoever makes up names for keys cannot make the hub call more than twice a minute.',
    },
  ),
  jwksTimeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 60_000, default: 5000 },
    {
      doc: 'How long fetching keys may take, from the name look-up to the last byte. At most 64 KiB with 100 keys are taken.',
      why: 'Keys are a few kB that stand ready; who has waited five seconds would rather be told to come back.',
    },
  ),
};

function isWebUrl(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return false;
  return parsed.username === '' && parsed.password === '' && !url.includes('#');
}
