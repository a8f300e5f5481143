import * as z from 'zod';
import { explain, userPrincipal, type Explanation } from '../core/access/explain-access.ts';
import { isUser, OWN_CHANNEL_ALIAS } from '../core/access/private-channel.ts';
import { ANONYMOUS, type Action, type Principal } from '../core/access/principal.ts';
import { invalidParameter } from '../http/refusals.ts';
import { checkPattern } from '../streams/events-query.ts';
import type { Route } from '../auth/route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { noSuchKey } from './key-routes.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { json, queryParameter, response } from '../http/route-description.ts';
import { named, pattern, text, time } from '../http/openapi/schemas.ts';
import { readQuery } from '../http/query-parameter.ts';

const ACTIONS: readonly Action[] = ['subscribe', 'publish', 'history', 'presence'];
const PARAMETERS = [
  queryParameter('user', z.string(), 'A user.'),
  queryParameter('claims', z.string(), 'The claims of the user, as the site gives them: a JSON object.'),
  queryParameter('key', z.string(), "A key's id."),
  queryParameter('subscribe', pattern(), 'Whether the caller may subscribe.'),
  queryParameter('publish', pattern(), 'Whether the caller may publish.'),
  queryParameter('history', pattern(), 'Whether the caller may read the history.'),
  queryParameter('presence', pattern(), 'Whether the caller may read the presence.'),
];

/** `GET /v1/access/explain?user=42&subscribe=orders.7` (PROTOCOL.md section 13.1). */
export function explainRoute(administration: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/access/explain',
    requires: 'admin',
    description: () => ({
      operationId: 'explainAccess',
      summary: 'Shows whether a caller may perform an action, and which rule decides.',
      section: '13.1',
      details:
        'One of `subscribe`, `publish`, `history` and `presence`. Without `user` and `key`: for an anonymous caller.',
      parameters: PARAMETERS,
      responses: [response(200, 'The decision and its reason.', json(explanationSchema(), 'The answer.'))],
      errors: ['invalid_parameter', 'invalid_pattern', 'not_found'],
    }),
    async handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const principal = principalOf(administration, values);
      const { action, pattern } = requestOf(values, principal);
      const explanation = await explainWithSite(administration, principal, action, pattern);
      request.respondJson(200, explanationJson(administration, principal, explanation));
    },
  };
}

/** Explains a decision. If a rule leaves the decision to the site, the hub asks the site. */
async function explainWithSite(
  { access, auth }: AdministrationParts,
  principal: Principal,
  action: Action,
  pattern: string,
): Promise<Explanation> {
  if (access === undefined)
    return {
      allowed: true,
      action,
      channel: pattern,
      by: 'no access control',
      needs: undefined,
      tokenClaim: undefined,
    };
  const explanation = explain(access, principal, action, pattern);
  if (explanation.allowed !== undefined) return explanation;
  const decision = await auth.authority.decide(principal, action, explanation.channel);
  return { ...explanation, allowed: decision.allowed };
}

function principalOf({ keys }: AdministrationParts, values: ReadonlyMap<string, string>): Principal {
  const user = values.get('user');
  const key = values.get('key');
  const claims = values.get('claims');
  if (claims !== undefined && user === undefined) throw invalidParameter('claims', 'require a "user"');
  if (key !== undefined) {
    if (user !== undefined) throw invalidParameter('key', 'and "user" exclude each other');
    const principal = keys.principalOf(key);
    if (principal === undefined) throw noSuchKey();
    return principal;
  }
  if (user === undefined) return ANONYMOUS;
  if (!isUser(user)) throw invalidParameter('user', 'is not a valid name of a user: 1 to 128 characters');
  return userPrincipal(user, claimsOf(claims ?? '{}'));
}

function claimsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(text);
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims))
      return claims as Record<string, unknown>;
  } catch {
    // The error follows.
  }
  throw invalidParameter('claims', 'must be a JSON object');
}

function requestOf(
  values: ReadonlyMap<string, string>,
  { user }: Principal,
): { readonly action: Action; readonly pattern: string } {
  const given = ACTIONS.filter((action) => values.has(action));
  const [action] = given;
  if (action === undefined || given.length > 1)
    throw invalidParameter(given[1] ?? 'subscribe', `must be the only one of ${ACTIONS.join(', ')}`);
  const pattern = values.get(action) ?? '';
  return { action, pattern: pattern === OWN_CHANNEL_ALIAS && user !== undefined ? pattern : checkPattern(pattern) };
}

const explanationSchema = named('Explanation', () =>
  z.object({
    allowed: z.boolean(),
    action: z.enum(ACTIONS),
    channel: text({ examples: ['orders.42'] }),
    as: z.record(z.string(), z.unknown()).meta({
      description: 'The caller: `kind`, and `user` or `key`.',
      examples: [{ kind: 'user', user: 'ann' }],
    }),
    by: text({ description: 'The rule that decided.', examples: ['rule 6 (orders.>)'] }),
    needs: text({ description: 'The missing permission.', examples: ['a user'] }).optional(),
    tokenClaim: text({
      description: 'The claim of a token that can grant this to the user, beyond the rules.',
      examples: ['polycast.subscribe'],
    }).optional(),
    revokedBefore: time(
      'The hub refuses credentials of the user issued before this time, regardless of the rules.',
    ).optional(),
  }),
);

function explanationJson(
  { revocations }: AdministrationParts,
  { kind, user, key }: Principal,
  explanation: Explanation,
): object {
  const { allowed, action, channel, by, needs, tokenClaim } = explanation;
  const revokedBefore = user === undefined ? undefined : revocations.revokedBefore(user);
  return {
    allowed,
    action,
    channel,
    as: { kind, ...(user !== undefined && { user }), ...(key !== undefined && { key }) },
    by,
    ...(needs !== undefined && { needs }),
    ...(allowed !== true && tokenClaim !== undefined && { tokenClaim }),
    // Credentials issued before this time are refused, whatever the rules allow.
    ...(revokedBefore !== undefined && { revokedBefore: timestampOrNull(revokedBefore) }),
  };
}
