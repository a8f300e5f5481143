import { response, jsonContent, operation, type OperationDetails } from './operation-parts.ts';
import type { Content, JsonSchema, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  schema: { type: 'string' },
  required: true,
  doc: "The subscription's id.",
};
const SECONDS: JsonSchema = { type: 'integer', minimum: 1 };
const LEASES: JsonSchema = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 64 },
  minItems: 1,
  maxItems: 1000,
};
const COUNTED: Readonly<Record<string, JsonSchema>> = {
  count: { type: 'integer', minimum: 0, description: 'Leases that it went well with.' },
  notHeld: { type: 'array', items: { type: 'string' }, description: 'Those that have ended, or never were.' },
};

/** Pull subscriptions (PROTOCOL.md section 14.6). */
export const PULL_OPERATIONS: readonly Operation[] = [
  action('pull', 'pullEvents', 'Gives a worker events, each with a lease, and waits for the first one if asked to.', {
    isBodyOptional: true,
    body: jsonContent(
      {
        type: 'object',
        properties: {
          count: { type: 'integer', minimum: 1, maximum: 1000, default: 10 },
          waitSeconds: { type: 'integer', minimum: 0, maximum: 60, default: 0 },
          leaseSeconds: { ...SECONDS, description: 'As the subscription has it, unless given.' },
        },
        additionalProperties: false,
      },
      'May be left out.',
    ),
    answer: jsonContent(
      { type: 'object', properties: { events: list(ref('LeasedEvent')) } },
      'The events; there may be none.',
    ),
    errors: ['subscription_not_active', 'too_many_connections'],
  }),
  action('ack', 'acknowledgeEvents', 'Says that events are done.', {
    body: jsonContent(
      {
        type: 'object',
        properties: {
          leases: LEASES,
          through: { ...ref('Cursor'), description: 'All that is leased up to and with this event.' },
        },
        additionalProperties: false,
      },
      'One of the two.',
    ),
    answer: jsonContent({ type: 'object', properties: COUNTED }, 'How many.'),
    errors: ['subscription_not_active'],
  }),
  action('nack', 'giveBackEvents', 'Gives events back: they are given out again.', {
    body: jsonContent(
      {
        type: 'object',
        properties: { leases: LEASES, delaySeconds: { type: 'integer', minimum: 0, default: 0 } },
        required: ['leases'],
        additionalProperties: false,
      },
      'Which, and when they may be given out again.',
    ),
    answer: jsonContent({ type: 'object', properties: COUNTED }, 'How many.'),
    errors: ['subscription_not_active'],
  }),
  action('extend', 'extendLeases', 'Has leases end later, or sooner.', {
    body: jsonContent(
      {
        type: 'object',
        properties: { leases: LEASES, leaseSeconds: SECONDS },
        required: ['leases'],
        additionalProperties: false,
      },
      'Which, and how long from now.',
    ),
    answer: jsonContent(
      { type: 'object', properties: { ...COUNTED, leaseEnds: { type: 'string', format: 'date-time' } } },
      'How many, and until when.',
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
