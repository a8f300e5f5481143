import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import type { Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = { name: 'id', in: 'path', schema: { type: 'string' }, required: true, doc: "The hook's id." };
const HOOK = jsonContent(ref('Hook'), 'The hook.');
const MADE = jsonContent(ref('Hook'), 'The hook. `secret` is shown here and never again.');
const REMOVED = response(
  200,
  'Ended.',
  jsonContent(
    { type: 'object', properties: { removed: { type: 'integer', minimum: 1 } }, required: ['removed'] },
    'How many.',
  ),
);
const EVENT = { type: 'string', minLength: 1, maxLength: 200 };

/** The dialects of delivery (PROTOCOL.md sections 14.7 to 14.9). */
export const DIALECT_OPERATIONS: readonly Operation[] = [
  {
    method: 'POST',
    path: '/v1/websub',
    name: 'askWebSub',
    summary: 'The WebSub hub: subscribes, unsubscribes, and hears from publishers.',
    section: '14.7',
    doc: 'Anybody may ask; the callback is asked before anything comes of it, and is told when it cannot be had.',
    parameters: [],
    bodies: [{ mediaType: 'application/x-www-form-urlencoded', schema: ref('HubRequest'), doc: 'What is asked for.' }],
    answers: [response(202, 'The callback will be asked.'), response(204, 'Taken note of (`publish`).')],
    errors: [
      'invalid_body',
      'invalid_utf8',
      'unsupported_media_type',
      'body_too_large',
      'request_timeout',
      'origin_not_allowed',
      'endpoint_refused',
      'rate_limited',
      'overloaded',
      'draining',
    ],
  },
  route('POST', '/v1/hooks', 'createHook', 'Subscribes an address to an event, as REST Hooks have it.', {
    doc: 'The address is asked within the call, unless it is trusted. Members have other names as well, as common clients send them.',
    bodies: [jsonContent(ref('NewHook'), 'Where to, and what.')],
    answers: [
      { ...response(201, 'Created.', MADE), headers: { Location: 'Its address.' } },
      { ...response(200, 'There is one already.', HOOK), headers: { Location: 'Its address.' } },
    ],
    errors: ['invalid_pattern', 'too_many_channels', 'endpoint_refused', 'subscription_limit'],
  }),
  route('GET', '/v1/hooks', 'listHooks', 'Lists hooks, at most 1,000.', {
    answers: [
      response(200, 'The hooks.', jsonContent({ type: 'object', properties: { hooks: list(ref('Hook')) } }, 'Hooks.')),
    ],
    errors: ['invalid_parameter'],
  }),
  route('DELETE', '/v1/hooks', 'deleteHooks', 'Ends the hooks to an address.', {
    doc: 'With a query the body is not looked at: both may stand there instead.',
    parameters: [
      queryParameter('target_url', { type: 'string', format: 'uri' }, 'Where they lead.'),
      queryParameter('event', EVENT, 'Only those for this event.'),
    ],
    bodies: [jsonContent(ref('HookChoice'), 'Unless the query says it.')],
    isBodyOptional: true,
    answers: [REMOVED],
    errors: ['invalid_parameter', 'not_found'],
  }),
  route('GET', '/v1/hooks/samples', 'readHookSamples', 'Shows what a hook of an event would be sent.', {
    parameters: [{ ...queryParameter('event', EVENT, 'A type of events, or a channel.'), required: true }],
    answers: [response(200, 'Samples.', jsonContent({ type: 'array', items: {} }, 'Data; empty where none is known.'))],
    errors: ['invalid_parameter'],
  }),
  route('GET', '/v1/hooks/{id}', 'readHook', 'Reads a hook.', {
    parameters: [ID],
    answers: [response(200, 'The hook.', HOOK)],
  }),
  route('DELETE', '/v1/hooks/{id}', 'deleteHook', 'Ends a hook.', {
    parameters: [ID],
    answers: [REMOVED],
  }),
  route('GET', '/v1/event-types', 'listEventTypes', 'Lists the types of events that are published here.', {
    section: '14.9',
    answers: [
      response(
        200,
        'The catalogue.',
        jsonContent({ type: 'object', properties: { eventTypes: list(ref('EventType')) } }, 'As it is configured.'),
      ),
    ],
    errors: ['invalid_parameter'],
  }),
];

function route(
  method: Operation['method'],
  path: string,
  name: string,
  summary: string,
  rest: Omit<OperationDetails, 'section'> & { readonly section?: string },
): Operation {
  return operation(method, path, name, summary, { section: '14.8', ...rest });
}
