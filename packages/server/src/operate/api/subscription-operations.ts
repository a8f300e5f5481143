import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import { PULL_OPERATIONS } from './pull-operations.ts';
import type { ResponseDescription, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  schema: { type: 'string' },
  required: true,
  doc: 'The id of the subscription.',
};
const EVENT: Parameter = {
  name: 'event',
  in: 'path',
  schema: ref('Cursor'),
  required: true,
  doc: 'The id of the event.',
};
const PATH = '/v1/subscriptions/{id}';
const ETAG = { ETag: 'The value for `If-Match` of the next change.' };
const IF_MATCH: Parameter = {
  name: 'If-Match',
  in: 'header',
  schema: { type: 'string' },
  doc: 'Applies only if this is still the `ETag`.',
};
const SHOWN = jsonContent(ref('Subscription'), 'The subscription.');
const NEW = jsonContent(ref('Subscription'), 'The subscription. `delivery.secret` is shown only here.');

const limit = (most: number): Parameter =>
  queryParameter(
    'limit',
    { type: 'integer', minimum: 1, maximum: 100, default: most },
    'The maximum number of entries.',
  );

/** Durable subscriptions (PROTOCOL.md section 14). */
export const SUBSCRIPTION_OPERATIONS: readonly Operation[] = [
  route(
    'POST',
    '/v1/subscriptions',
    'createSubscription',
    'Creates a durable subscription: a webhook or a pull queue.',
    {
      doc: 'A webhook whose endpoint is not trusted is `pending` until the hub has verified it.',
      parameters: [
        {
          name: 'Idempotency-Key',
          in: 'header',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
          doc: 'For 24 hours, a request with the same key and body gets the same subscription again, without its secret.',
        },
      ],
      bodies: [jsonContent(ref('NewSubscription'), 'The definition of the subscription.')],
      answers: [
        {
          ...response(201, 'Created.', NEW),
          headers: {
            Location: 'Its address.',
            ...ETAG,
            'Idempotency-Replayed': '`true` if the key was used before and this request created nothing.',
          },
        },
      ],
      errors: [
        'invalid_header',
        'invalid_filter',
        'invalid_pattern',
        'invalid_cursor',
        'too_many_channels',
        'endpoint_refused',
        'idempotency_key_reused',
        'subscription_limit',
      ],
    },
  ),
  route('GET', '/v1/subscriptions', 'listSubscriptions', 'Lists subscriptions, sorted by id.', {
    parameters: [
      limit(100),
      queryParameter('after', { type: 'string' }, '`next` of the previous page.'),
      queryParameter(
        'state',
        { enum: ['pending', 'active', 'paused', 'suspended', 'ended'] },
        'Only subscriptions in this state.',
      ),
      queryParameter('channel', ref('Pattern'), 'Only subscriptions that match this channel.'),
      queryParameter('key', { type: 'string' }, 'Only subscriptions created by the key with this id.'),
    ],
    answers: [page('subscriptions', 'Subscription', { type: ['string', 'null'] })],
    errors: ['invalid_parameter', 'invalid_pattern'],
  }),
  route('GET', PATH, 'readSubscription', 'Reads a subscription with its progress.', {
    parameters: [ID],
    answers: [{ ...response(200, 'The subscription.', SHOWN), headers: ETAG }],
  }),
  route('PATCH', PATH, 'changeSubscription', 'Changes a subscription.', {
    doc: 'The hub replaces the given members of `delivery`. It verifies a new `url` again, unless that is trusted.',
    parameters: [ID, IF_MATCH],
    bodies: [jsonContent(ref('SubscriptionChanges'), 'The members to change.')],
    answers: [{ ...response(200, 'Changed.', SHOWN), headers: ETAG }],
    errors: ['invalid_filter', 'invalid_pattern', 'too_many_channels', 'endpoint_refused', 'precondition_failed'],
  }),
  route('DELETE', PATH, 'removeSubscription', 'Deletes a subscription with its attempts and dead letters.', {
    parameters: [ID, IF_MATCH],
    answers: [response(204, 'Removed.')],
    errors: ['precondition_failed'],
  }),
  action('pause', 'pauseSubscription', 'Pauses deliveries. New events wait in the log.', {
    answers: [response(200, 'Paused.', SHOWN)],
    errors: ['subscription_not_active'],
  }),
  action('resume', 'resumeSubscription', 'Resumes deliveries. For a pending subscription, repeats the verification.', {
    doc: 'For a `pending` subscription the response has the state after the verification: `active`, `pending` or `ended`. The newest attempt has the reason. Less than 5 s after the last verification: `429 rate_limited`.',
    answers: [response(200, 'The subscription: active, or in the state after the verification.', SHOWN)],
    errors: ['subscription_not_active', 'rate_limited'],
  }),
  action('test', 'testSubscription', 'Sends a sample event at once and returns the attempt.', {
    doc: 'The endpoint must be verified.',
    bodies: [
      jsonContent(
        {
          type: 'object',
          properties: { channel: ref('Channel'), type: { type: 'string', minLength: 1, maxLength: 200 }, data: {} },
          additionalProperties: false,
        },
        'The channel, type and data of the sample; optional.',
      ),
    ],
    isBodyOptional: true,
    answers: [response(200, 'The attempt, with any outcome.', jsonContent(ref('Attempt'), 'The attempt.'))],
    errors: ['subscription_not_active'],
  }),
  action('rotate-secret', 'rotateSubscriptionSecret', 'Creates a new signing secret.', {
    doc: 'During the overlap, requests carry signatures with both secrets.',
    bodies: [jsonContent(ref('NewSecret'), 'Optional.')],
    isBodyOptional: true,
    answers: [{ ...response(200, 'Rotated.', NEW), headers: ETAG }],
    errors: ['subscription_not_active'],
  }),
  action('replay', 'replaySubscription', 'Delivers stored events again, in addition to new ones.', {
    bodies: [jsonContent(ref('NewReplay'), 'From where.')],
    answers: [response(202, 'Begun.', jsonContent(ref('Replay'), 'The replay.'))],
    errors: ['invalid_cursor', 'subscription_not_active', 'overloaded'],
  }),
  ...PULL_OPERATIONS,
  route('GET', `${PATH}/replays`, 'listReplays', 'Lists the replays in progress.', {
    parameters: [ID],
    answers: [
      response(
        200,
        'All replays in progress.',
        jsonContent({ type: 'object', properties: { replays: list(ref('Replay')) } }, 'The replays.'),
      ),
    ],
    errors: ['invalid_parameter'],
  }),
  route('GET', `${PATH}/attempts`, 'listAttempts', 'Lists delivery attempts, newest first.', {
    parameters: [
      ID,
      limit(50),
      queryParameter('before', { type: 'integer', minimum: 0 }, '`next` of the previous page.'),
      queryParameter('event', ref('Cursor'), 'Only attempts of this event, of this log or an earlier one.'),
    ],
    answers: [page('attempts', 'Attempt', { type: ['integer', 'null'] })],
    errors: ['invalid_parameter', 'invalid_cursor'],
  }),
  deadLetters('GET', '', 'listDeadLetters', 'Lists dead letters, oldest first.', {
    parameters: [ID, limit(50), queryParameter('after', ref('Cursor'), '`next` of the previous page.')],
    answers: [page('deadLetters', 'DeadLetter', { anyOf: [ref('Cursor'), { type: 'null' }] })],
    errors: ['invalid_parameter', 'invalid_cursor'],
  }),
  deadLetters('GET', '/{event}', 'readDeadLetter', 'Reads a dead letter with its event.', {
    parameters: [ID, EVENT],
    answers: [response(200, 'The dead letter.', jsonContent(ref('DeadLetter'), 'The dead letter with its `payload`.'))],
    errors: ['invalid_cursor'],
  }),
  deadLetters('POST', '/retry', 'retryDeadLetters', 'Retries all dead letters.', {
    doc: 'The number is limited by the open events of the subscription. Dead letters of an earlier log are skipped.',
    parameters: [ID],
    answers: [counted(202, 'retried')],
    errors: ['subscription_not_active'],
  }),
  deadLetters('POST', '/{event}/retry', 'retryDeadLetter', 'Retries a dead letter.', {
    doc: 'For a dead letter of an earlier log: `404 not_found`. It can be discarded.',
    parameters: [ID, EVENT],
    answers: [counted(202, 'retried')],
    errors: ['invalid_cursor', 'subscription_not_active'],
  }),
  deadLetters('DELETE', '', 'discardDeadLetters', 'Discards all dead letters.', {
    parameters: [ID],
    answers: [counted(200, 'discarded')],
  }),
  deadLetters('DELETE', '/{event}', 'discardDeadLetter', 'Discards a dead letter.', {
    parameters: [ID, EVENT],
    answers: [counted(200, 'discarded')],
    errors: ['invalid_cursor'],
  }),
  route(
    'GET',
    '/v1/events/{id}/deliveries',
    'traceEvent',
    'Reads to which subscriptions an event was delivered, when, and after how many attempts.',
    {
      doc: 'It covers at most 1,000 subscriptions that the caller may read. `attempts` contains stored attempts only.',
      parameters: [{ ...EVENT, name: 'id' }],
      answers: [response(200, 'The deliveries.', jsonContent(ref('Trace'), 'By subscription.'))],
      errors: ['invalid_parameter', 'invalid_cursor'],
    },
  ),
];

type Rest = Omit<OperationDetails, 'section'>;

function route(method: Operation['method'], path: string, name: string, summary: string, rest: Rest): Operation {
  return operation(method, path, name, summary, { section: '14.1', ...rest });
}

function action(name: string, operationName: string, summary: string, rest: Rest): Operation {
  const errors = [...(rest.errors ?? []), 'precondition_failed'] as const;
  return route('POST', `${PATH}/${name}`, operationName, summary, { parameters: [ID, IF_MATCH], ...rest, errors });
}

function deadLetters(method: Operation['method'], below: string, name: string, summary: string, rest: Rest): Operation {
  return route(method, `${PATH}/dead-letters${below}`, name, summary, rest);
}

function page(member: string, schema: string, next: Parameter['schema']): ResponseDescription {
  const content = { type: 'object', properties: { [member]: list(ref(schema)), next } };
  return response(
    200,
    'A page.',
    jsonContent(content, '`next` is the `after` of the next page; `null` on the last page.'),
  );
}

function counted(status: number, member: string): ResponseDescription {
  return response(
    status,
    'Done.',
    jsonContent({ type: 'object', properties: { [member]: { type: 'integer' } } }, 'How many.'),
  );
}
