import { response, jsonContent, operation, type OperationDetails } from './operation-parts.ts';
import type { Content, JsonSchema, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  schema: { type: 'string' },
  required: true,
  doc: 'The id of the subscription.',
};
const SECONDS: JsonSchema = { type: 'integer', minimum: 1 };
const LEASES: JsonSchema = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 64 },
  minItems: 1,
  maxItems: 1000,
};
const COUNTED: Readonly<Record<string, JsonSchema>> = {
  count: { type: 'integer', minimum: 0, description: 'Leases for which the operation succeeded.' },
  notHeld: { type: 'array', items: { type: 'string' }, description: 'Leases that have ended or never existed.' },
};

/** Pull subscriptions (PROTOCOL.md section 14.6). */
export const PULL_OPERATIONS: readonly Operation[] = [
  action('pull', 'pullEvents', 'Returns events to a worker, each with a lease. Can wait for the first event.', {
    isBodyOptional: true,
    body: jsonContent(
      {
        type: 'object',
        properties: {
          count: { type: 'integer', minimum: 1, maximum: 1000, default: 10 },
          waitSeconds: { type: 'integer', minimum: 0, maximum: 60, default: 0 },
          leaseSeconds: { ...SECONDS, description: 'The default is that of the subscription.' },
        },
        additionalProperties: false,
      },
      'Optional.',
    ),
    answer: jsonContent(
      { type: 'object', properties: { events: list(ref('LeasedEvent')) } },
      'The events; the list may be empty.',
    ),
    errors: ['subscription_not_active', 'too_many_connections'],
  }),
  action('ack', 'acknowledgeEvents', 'Acknowledges events.', {
    body: jsonContent(
      {
        type: 'object',
        properties: {
          leases: LEASES,
          through: { ...ref('Cursor'), description: 'All leased events up to and including this one.' },
        },
        additionalProperties: false,
      },
      'One of the two members.',
    ),
    answer: jsonContent({ type: 'object', properties: COUNTED }, 'How many.'),
    errors: ['subscription_not_active'],
  }),
  action('nack', 'giveBackEvents', 'Releases events. The hub delivers them again.', {
    body: jsonContent(
      {
        type: 'object',
        properties: { leases: LEASES, delaySeconds: { type: 'integer', minimum: 0, default: 0 } },
        required: ['leases'],
        additionalProperties: false,
      },
      'The leases, and the delay before the next delivery.',
    ),
    answer: jsonContent({ type: 'object', properties: COUNTED }, 'How many.'),
    errors: ['subscription_not_active'],
  }),
  action('extend', 'extendLeases', 'Extends or shortens leases.', {
    body: jsonContent(
      {
        type: 'object',
        properties: { leases: LEASES, leaseSeconds: SECONDS },
        required: ['leases'],
        additionalProperties: false,
      },
      'The leases and their new duration from now.',
    ),
    answer: jsonContent(
      { type: 'object', properties: { ...COUNTED, leaseEnds: { type: 'string', format: 'date-time' } } },
      'The number of leases and their new end.',
    ),
    errors: ['subscription_not_active'],
  }),
];

function action(
  below: string,
  name: string,
  summary: string,
  rest: Pick<OperationDetails, 'isBodyOptional' | 'errors'> & { readonly body: Content; readonly answer: Content },
): Operation {
  return operation('POST', `/v1/subscriptions/{id}/${below}`, name, summary, {
    section: '14.6',
    parameters: [ID],
    bodies: [rest.body],
    isBodyOptional: rest.isBodyOptional ?? false,
    answers: [response(200, 'Done.', rest.answer)],
    errors: rest.errors ?? [],
  });
}
