import { PolycastError } from '@polycast/protocol';
import { explain, userPrincipal, type Explanation } from '../core/explain.ts';
import { isUser, OWN_CHANNEL } from '../core/private-channel.ts';
import { ANONYMOUS, type Action, type Principal } from '../core/principal.ts';
import { checkPattern, invalid } from '../transports/events-query.ts';
import type { Route } from '../transports/route.ts';
import type { Administration } from './administration.ts';
import { timeText } from '../transports/time-text.ts';
import { singles } from '../transports/single-parameters.ts';

const ACTIONS: readonly Action[] = ['subscribe', 'publish', 'history', 'presence'];

/** `GET /v1/access/explain?user=42&subscribe=orders.7` (PROTOCOL.md section 13.1). */
export function explainRoute(administration: Administration): Route {
  return {
    method: 'GET',
    path: '/v1/access/explain',
    asks: 'admin',
    async handle(request) {
      const values = singles(request.query, ['user', 'claims', 'key', ...ACTIONS]);
      const principal = principalOf(administration, values);
      const { action, wish } = wishOf(values, principal);
      const explanation = await explained(administration, principal, action, wish);
      request.respondJson(200, explanationJson(administration, principal, explanation));
    },
  };
}

/** With the site's own word where a rule leaves it to the site. */
async function explained(
  { access, services }: Administration,
  principal: Principal,
  action: Action,
  wish: string,
): Promise<Explanation> {
  if (access === undefined) return { allowed: true, action, channel: wish, by: 'no access control', needs: undefined };
  const explanation = explain(access, principal, action, wish);
  if (explanation.allowed !== undefined) return explanation;
  const decision = await services.authority.decide(principal, action, explanation.channel);
  return { ...explanation, allowed: decision.allowed };
}

function principalOf({ keys }: Administration, values: ReadonlyMap<string, string>): Principal {
  const user = values.get('user');
  const key = values.get('key');
  const claims = values.get('claims');
  if (claims !== undefined && user === undefined) throw invalid('claims', 'are those of a "user"');
  if (key !== undefined) {
    if (user !== undefined) throw invalid('key', 'and "user" exclude each other');
    const principal = keys.principalOf(key);
    if (principal === undefined) throw new PolycastError('not_found', 'There is no such key.');
    return principal;
  }
  if (user === undefined) return ANONYMOUS;
  if (!isUser(user)) throw invalid('user', 'is no name of a user: 1 to 128 characters');
  return userPrincipal(user, claimsOf(claims ?? '{}'));
}

function claimsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(text);
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims))
      return claims as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw invalid('claims', 'must be a JSON object');
}

function wishOf(
  values: ReadonlyMap<string, string>,
  { user }: Principal,
): { readonly action: Action; readonly wish: string } {
  const given = ACTIONS.filter((action) => values.has(action));
  const [action] = given;
  if (action === undefined || given.length > 1)
    throw invalid(given[1] ?? 'subscribe', `must be the only one of ${ACTIONS.join(', ')}`);
  const wish = values.get(action) ?? '';
  return { action, wish: wish === OWN_CHANNEL && user !== undefined ? wish : checkPattern(wish) };
}

function explanationJson(
  { revocations }: Administration,
  { kind, user, key }: Principal,
  explanation: Explanation,
): object {
  const { allowed, action, channel, by, needs } = explanation;
  const revokedBefore = user === undefined ? undefined : revocations.revokedBefore(user);
  return {
    allowed,
    action,
    channel,
    as: { kind, ...(user !== undefined && { user }), ...(key !== undefined && { key }) },
    by,
    ...(needs !== undefined && { needs }),
    // Credentials that the user was given before then are refused, whatever the rules say.
    ...(revokedBefore !== undefined && { revokedBefore: timeText(revokedBefore) }),
  };
}
