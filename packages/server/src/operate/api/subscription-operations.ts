import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import { PULL_OPERATIONS } from './pull-operations.ts';
import type { ResponseDescription, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  schema: { type: 'string' },
  required: true,
  doc: "The subscription's id.",
};
const EVENT: Parameter = {
  name: 'event',
  in: 'path',
  schema: ref('Cursor'),
  required: true,
  doc: "The event's id.",
};
const PATH = '/v1/subscriptions/{id}';
const ETAG = { ETag: 'For `If-Match` of the next change.' };
const IF_MATCH: Parameter = {
  name: 'If-Match',
  in: 'header',
  schema: { type: 'string' },
  doc: 'Only if this is still its `ETag`.',
};
const SHOWN = jsonContent(ref('Subscription'), 'The subscription.');
const NEW = jsonContent(ref('Subscription'), 'The subscription. `delivery.secret` is shown here and never again.');

const limit = (most: number): Parameter =>
  queryParameter('limit', { type: 'integer', minimum: 1, maximum: 100, default: most }, 'At most so many.');

/** Durable subscriptions (PROTOCOL.md section 14). */
export const SUBSCRIPTION_OPERATIONS: readonly Operation[] = [
  route(
    'POST',
    '/v1/subscriptions',
    'createSubscription',
    'Creates a durable subscription: a webhook or a pull queue.',
    {
      doc: 'A webhook whose endpoint is not trusted is `pending` until that has consented.',
      parameters: [
        {
          name: 'Idempotency-Key',
          in: 'header',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
          doc: 'For 24 hours the same key and body get the same subscription again, without its secret.',
        },
      ],
      bodies: [jsonContent(ref('NewSubscription'), 'What is to be delivered, and how.')],
      answers: [
        {
          ...response(201, 'Created.', NEW),
          headers: {
            Location: 'Its address.',
            ...ETAG,
            'Idempotency-Replayed': '`true` when the key was used before and nothing was created now.',
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
  route('GET', '/v1/subscriptions', 'listSubscriptions', 'Lists subscriptions, in the order of their ids.', {
    parameters: [
      limit(100),
      queryParameter('after', { type: 'string' }, '`next` of the page before.'),
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
  route('GET', PATH, 'readSubscription', 'Reads a subscription, with how far it is.', {
    parameters: [ID],
    answers: [{ ...response(200, 'The subscription.', SHOWN), headers: ETAG }],
  }),
  route('PATCH', PATH, 'changeSubscription', 'Changes a subscription.', {
    doc: 'Of `delivery`, the given members are replaced. With another `url` it has to consent again, unless that is trusted.',
    parameters: [ID, IF_MATCH],
    bodies: [jsonContent(ref('SubscriptionChanges'), 'What is to change.')],
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
    doc: 'A `pending` one is answered with what its endpoint said: `active`, still `pending`, or `ended`; its newest attempt says why. Not sooner than 5 s after the question before: `429 rate_limited`.',
    answers: [response(200, 'Active; or as its endpoint has it, of which it was asked.', SHOWN)],
    errors: ['subscription_not_active', 'rate_limited'],
  }),
  action('test', 'testSubscription', 'Sends a sample at once, and tells how that went.', {
    doc: 'Not to an endpoint that has not consented yet.',
    bodies: [
      jsonContent(
        {
          type: 'object',
          properties: { channel: ref('Channel'), type: { type: 'string', minLength: 1, maxLength: 200 }, data: {} },
          additionalProperties: false,
        },
        'What the sample is of; may be left out.',
      ),
    ],
    isBodyOptional: true,
    answers: [response(200, 'Sent, with whatever outcome.', jsonContent(ref('Attempt'), 'The attempt.'))],
    errors: ['subscription_not_active'],
  }),
  action('rotate-secret', 'rotateSubscriptionSecret', 'Gives it a new secret to sign with.', {
    doc: 'Until the overlap is over, requests carry the signatures of both.',
    bodies: [jsonContent(ref('NewSecret'), 'May be left out.')],
    isBodyOptional: true,
    answers: [{ ...response(200, 'Rotated.', NEW), headers: ETAG }],
    errors: ['subscription_not_active'],
  }),
  action('replay', 'replaySubscription', 'Delivers once more what the log has, beside what comes.', {
    bodies: [jsonContent(ref('NewReplay'), 'From where.')],
    answers: [response(202, 'Begun.', jsonContent(ref('Replay'), 'The replay.'))],
    errors: ['invalid_cursor', 'subscription_not_active', 'overloaded'],
  }),
  ...PULL_OPERATIONS,
  route('GET', `${PATH}/replays`, 'listReplays', 'Lists the replays that go on, and how far they are.', {
    parameters: [ID],
    answers: [
      response(
        200,
        'All of them.',
        jsonContent({ type: 'object', properties: { replays: list(ref('Replay')) } }, 'The replays.'),
      ),
    ],
    errors: ['invalid_parameter'],
  }),
  route('GET', `${PATH}/attempts`, 'listAttempts', 'Lists what was tried and what came of it, the newest first.', {
    parameters: [
      ID,
      limit(50),
      queryParameter('before', { type: 'integer', minimum: 0 }, '`next` of the page before.'),
      queryParameter('event', ref('Cursor'), 'Only those of this event, of this log or one before.'),
    ],
    answers: [page('attempts', 'Attempt', { type: ['integer', 'null'] })],
    errors: ['invalid_parameter', 'invalid_cursor'],
  }),
  deadLetters('GET', '', 'listDeadLetters', 'Lists the events that were given up on, the oldest first.', {
    parameters: [ID, limit(50), queryParameter('after', ref('Cursor'), '`next` of the page before.')],
    answers: [page('deadLetters', 'DeadLetter', { anyOf: [ref('Cursor'), { type: 'null' }] })],
    errors: ['invalid_parameter', 'invalid_cursor'],
  }),
  deadLetters('GET', '/{event}', 'readDeadLetter', 'Reads one of them, with the event itself.', {
    parameters: [ID, EVENT],
    answers: [response(200, 'The dead letter.', jsonContent(ref('DeadLetter'), 'With its `payload`.'))],
    errors: ['invalid_cursor'],
  }),
  deadLetters('POST', '/retry', 'retryDeadLetters', 'Tries all of them again.', {
    doc: 'As many as may be open at once; those of a log that is no more are passed over.',
    parameters: [ID],
    answers: [counted(202, 'retried')],
    errors: ['subscription_not_active'],
  }),
  deadLetters('POST', '/{event}/retry', 'retryDeadLetter', 'Tries one of them again.', {
    doc: 'One of a log that is no more gets `404 not_found`: it can be discarded.',
    parameters: [ID, EVENT],
    answers: [counted(202, 'retried')],
    errors: ['invalid_cursor', 'subscription_not_active'],
  }),
  deadLetters('DELETE', '', 'discardDeadLetters', 'Forgets all of them.', {
    parameters: [ID],
    answers: [counted(200, 'discarded')],
  }),
  deadLetters('DELETE', '/{event}', 'discardDeadLetter', 'Forgets one of them.', {
    parameters: [ID, EVENT],
    answers: [counted(200, 'discarded')],
    errors: ['invalid_cursor'],
  }),
  route('GET', '/v1/events/{id}/deliveries', 'traceEvent', 'Tells who got an event, when, and after how many tries.', {
    doc: 'Of the subscriptions that the caller may see, at most 1,000; `attempts` as far as they are kept.',
    parameters: [{ ...EVENT, name: 'id' }],
    answers: [response(200, 'What was tried.', jsonContent(ref('Trace'), 'By subscription.'))],
    errors: ['invalid_parameter', 'invalid_cursor'],
  }),
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
  return response(200, 'A page.', jsonContent(content, '`next` leads to the next page; `null` when there is none.'));
}

function counted(status: number, member: string): ResponseDescription {
  return response(
    status,
    'Done.',
    jsonContent({ type: 'object', properties: { [member]: { type: 'integer' } } }, 'How many.'),
  );
}
