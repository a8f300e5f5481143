import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import type { Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  schema: { type: 'string' },
  required: true,
  doc: 'The id of the hook.',
};
const HOOK = jsonContent(ref('Hook'), 'The hook.');
const MADE = jsonContent(ref('Hook'), 'The hook. `secret` is shown only here.');
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
    summary: 'The WebSub hub: subscribes, unsubscribes, and accepts pings of publishers.',
    section: '14.7',
    doc: 'Anybody may send a request. The hub verifies the callback first, and notifies it of a denial.',
    parameters: [],
    bodies: [{ mediaType: 'application/x-www-form-urlencoded', schema: ref('HubRequest'), doc: 'The request.' }],
    answers: [response(202, 'The hub will verify the callback.'), response(204, 'The ping is accepted (`publish`).')],
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
  route('POST', '/v1/hooks', 'createHook', 'Subscribes a URL to an event, as REST Hooks define it.', {
    doc: 'The hub verifies the URL during the request, unless it is trusted. Members have alternative names, as common clients send them.',
    bodies: [jsonContent(ref('NewHook'), 'The URL and the event.')],
    answers: [
      { ...response(201, 'Created.', MADE), headers: { Location: 'Its address.' } },
      { ...response(200, 'The hook already exists.', HOOK), headers: { Location: 'Its address.' } },
    ],
    errors: ['invalid_pattern', 'too_many_channels', 'endpoint_refused', 'subscription_limit'],
  }),
  route('GET', '/v1/hooks', 'listHooks', 'Lists hooks, at most 1,000.', {
    answers: [
      response(200, 'The hooks.', jsonContent({ type: 'object', properties: { hooks: list(ref('Hook')) } }, 'Hooks.')),
    ],
    errors: ['invalid_parameter'],
  }),
  route('DELETE', '/v1/hooks', 'deleteHooks', 'Deletes the hooks to a URL.', {
    doc: 'Both members may be in the query instead. The hub then ignores the body.',
    parameters: [
      queryParameter('target_url', { type: 'string', format: 'uri' }, 'The URL of the hooks.'),
      queryParameter('event', EVENT, 'Only hooks for this event.'),
    ],
    bodies: [jsonContent(ref('HookChoice'), 'Not needed if the query names the hooks.')],
    isBodyOptional: true,
    answers: [REMOVED],
    errors: ['invalid_parameter', 'not_found'],
  }),
  route('GET', '/v1/hooks/samples', 'readHookSamples', 'Returns sample data of an event.', {
    parameters: [{ ...queryParameter('event', EVENT, 'An event type or a channel.'), required: true }],
    answers: [
      response(200, 'Samples.', jsonContent({ type: 'array', items: {} }, 'Sample data; empty if there is none.')),
    ],
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
  route('GET', '/v1/event-types', 'listEventTypes', 'Lists the event types of the hub.', {
    section: '14.9',
    answers: [
      response(
        200,
        'The catalogue.',
        jsonContent(
          { type: 'object', properties: { eventTypes: list(ref('EventType')) } },
          'The configured event types.',
        ),
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
