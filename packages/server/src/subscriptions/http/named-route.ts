import * as z from 'zod';
import { PolycastError } from '@polycast/protocol';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { invalidParameter } from '../../http/refusals.ts';
import { json, pathParameter, withHeaders } from '../../http/route-description.ts';
import { parseReplacement } from './bodies/replacement-body.ts';
import { parseCreation, startPosition, subscriptionBodies } from './bodies/subscription-body.ts';
import { etagHeader, subscriptionJson } from './bodies/subscription-json.ts';
import type { SubscriptionParts } from './parts.ts';
import { CREATION_EXAMPLE, DEFINITION_ERRORS, respondCreated } from './resource-routes.ts';
import { IF_MATCH, newSubscription, shownSubscription, SUBSCRIPTION_NAME } from './schemas.ts';
import { authorizeDelivery, checkIfMatch, maySee, scopedRoute } from './subscription-access.ts';

/**
 * `PUT /v1/subscriptions/{name}` (PROTOCOL.md section 14.1):
 * the definition of a named subscription.
 *
 * Example: a service sends its definition of `warehouse` whenever it starts. The first request
 * creates the subscription. Later ones find it, and change it if the definition is another one.
 */
export function namedRoute(parts: SubscriptionParts): AuthorizedRoute {
  return scopedRoute(
    'PUT',
    '/v1/subscriptions/:id',
    (request) => put(parts, request),
    () => ({
      operationId: 'putSubscription',
      summary: 'Creates a named subscription, or gives it this definition.',
      section: '14.1',
      details:
        'The same request again changes nothing. Members that are absent get their defaults. `start`, `owner` and the secret apply only to the creation.',
      parameters: [NAME, IF_MATCH],
      bodies: [
        json(subscriptionBodies(parts).described.creation, 'The definition of the subscription.', CREATION_EXAMPLE),
      ],
      responses: [
        shownSubscription(parts, 200, 'It existed, and has this definition.'),
        withHeaders(newSubscription(parts, 201, 'Created.'), { Location: 'The URL of the subscription.' }),
      ],
      errors: [
        'invalid_parameter',
        ...DEFINITION_ERRORS,
        'invalid_cursor',
        'subscription_limit',
        'precondition_failed',
      ],
    }),
  );
}

const NAME = pathParameter(
  'id',
  z
    .string()
    .regex(SUBSCRIPTION_NAME)
    .meta({ examples: ['warehouse'] }),
  'The name of the subscription.',
);

async function put(parts: SubscriptionParts, request: AuthorizedRequest): Promise<void> {
  const { subscriptions } = parts;
  const { principal, actor } = request;
  const name = request.parameters['id'] ?? '';
  if (!SUBSCRIPTION_NAME.test(name))
    throw invalidParameter(
      'name',
      'must be 1 to 64 characters of A-Z a-z 0-9 _ . -, begin with a letter or a digit, and not begin with sub_',
    );
  const body = await request.object();
  const creation = parseCreation(parts, body, principal, undefined);
  const { options, start } = creation;
  const isAbsent = subscriptions.get(name) === undefined;
  await authorizeDelivery(parts, principal, options.channels, isAbsent ? start : undefined);
  if (isAbsent) {
    if (request.header('if-match') !== undefined) throw new PolycastError('precondition_failed');
    const beginning = await startPosition(parts, start, options.channels);
    const { subscription, isNew } = await subscriptions.create({ ...options, ...beginning, name }, actor);
    if (isNew) return respondCreated(parts, request, subscription, isNew);
  }
  // From here to the change is one turn of the event loop, so nothing comes between.
  const present = subscriptions.get(name);
  if (present === undefined) throw removedMeanwhile();
  if (!maySee(parts.auth, principal, present))
    throw new PolycastError('forbidden', 'A subscription with this name exists, for other channels.');
  checkIfMatch(request, present);
  const changes = parseReplacement(parts, body, creation, present);
  const { id, version } = present.definition;
  const isSame = Object.keys(changes).length === 0;
  const changed = isSame ? present : await subscriptions.change(id, changes, version, actor);
  if (isSame) {
    await subscriptions.whenDurable();
    if (subscriptions.get(id) === undefined) throw removedMeanwhile();
  }
  request.respondJson(200, subscriptionJson(parts, changed), etagHeader(changed));
}

function removedMeanwhile(): PolycastError {
  return new PolycastError('precondition_failed', 'The subscription was removed at the same time.');
}
