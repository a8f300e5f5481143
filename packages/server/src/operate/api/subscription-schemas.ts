import type { JsonSchema } from './operation.ts';

const TIME: JsonSchema = { type: 'string', format: 'date-time' };
const TIME_OR_NULL: JsonSchema = { type: ['string', 'null'], format: 'date-time' };
const COUNT: JsonSchema = { type: 'integer', minimum: 0 };
const MS_OR_NULL: JsonSchema = { type: ['number', 'null'], minimum: 0 };
const CURSOR: JsonSchema = { $ref: '#/components/schemas/Cursor' };
const OUTCOMES = [
  'delivered',
  'refused_status',
  'gone',
  'slowed_down',
  'redirected',
  'timeout',
  'connection',
  'name_not_found',
  'destination',
  'certificate',
  'answer',
  'url',
  'request',
];

/** The options of a subscription, at its creation and in changes. */
const SUBSCRIPTION_OPTIONS: Readonly<Record<string, JsonSchema>> = {
  channels: { type: 'array', items: { $ref: '#/components/schemas/Pattern' }, minItems: 1, maxItems: 100 },
  types: {
    type: ['array', 'null'],
    items: { type: 'string', minLength: 1, maxLength: 200 },
    minItems: 1,
    maxItems: 20,
    description: '`null`: all.',
  },
  filter: {
    anyOf: [{ $ref: '#/components/schemas/Filter' }, { type: 'null' }],
    description: 'Only events that match the filter.',
  },
  ordering: {
    enum: ['per-channel', 'none'],
    default: 'per-channel',
    description: "`per-channel`: a channel's events one at a time, in order.",
  },
  ratePerSecond: { type: ['integer', 'null'], minimum: 1, maximum: 1_000_000, description: '`null`: no limit.' },
  concurrencyMax: {
    type: ['integer', 'null'],
    minimum: 1,
    description: 'The maximum number of concurrent requests; for pull, of leased events.',
  },
  description: { type: ['string', 'null'], maxLength: 500 },
  metadata: {
    type: ['object', 'null'],
    maxProperties: 20,
    additionalProperties: { type: 'string', maxLength: 500 },
    description: 'Metadata of the owner.',
  },
  expires: { ...TIME_OR_NULL, description: 'The time when the subscription ends; `null`: never.' },
};

/** The options of a webhook's delivery. */
const WEBHOOK: Readonly<Record<string, JsonSchema>> = {
  kind: { const: 'webhook' },
  url: { type: 'string', format: 'uri', maxLength: 2048 },
  format: { enum: ['event', 'data', 'cloudevents', 'cloudevents-binary'], default: 'event' },
  headers: {
    type: 'object',
    maxProperties: 20,
    additionalProperties: { type: 'string', maxLength: 4096 },
    description: 'Headers of each request. Values that contain credentials are shown as `…`.',
  },
  batch: {
    type: ['object', 'null'],
    properties: {
      countMax: { type: 'integer', minimum: 1, maximum: 1000 },
      waitMs: { type: 'integer', minimum: 0, maximum: 60_000, default: 0 },
    },
    required: ['countMax'],
    additionalProperties: false,
    description: 'Up to `countMax` events in a request, as a JSON array. The first event waits this long for more.',
  },
  timeoutMs: { type: 'integer', minimum: 100, description: 'The timeout of a whole request.' },
  retryDelaysSeconds: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 604_800 }, maxItems: 30 },
};
const PULL: Readonly<Record<string, JsonSchema>> = {
  kind: { const: 'pull' },
  leaseSeconds: { type: 'integer', minimum: 1 },
  deliveriesMax: { type: 'integer', minimum: 1, maximum: 1000 },
};
const SECRET: Readonly<Record<string, JsonSchema>> = {
  secret: {
    type: 'string',
    description:
      '`whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519 key. By default the hub creates one.',
  },
  signature: { enum: ['hmac', 'ed25519'], default: 'hmac', description: 'The kind of secret that the hub creates.' },
};

/** The schemas of durable subscriptions (PROTOCOL.md section 14.1). */
export const SUBSCRIPTION_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Filter: {
    type: 'object',
    minProperties: 1,
    maxProperties: 1,
    description:
      'One operator: `equals`, `differs`, `less`, `lessOrEqual`, `greater`, `greaterOrEqual`, `oneOf`, `startsWith`, `contains`, each with a list of a JSON pointer into the event and a value; `present` with a pointer; `all`, `any` with filters; `not` with one.',
    examples: [{ all: [{ equals: ['/data/status', 'paid'] }, { greater: ['/data/total', 100] }] }],
  },
  NewWebhookDelivery: closedObject(
    { ...WEBHOOK, dialect: { enum: ['standard', 'cloudevents'], default: 'standard' }, ...SECRET },
    ['kind', 'url'],
  ),
  NewPullDelivery: closedObject(PULL, ['kind']),
  NewSubscription: closedObject(
    {
      ...SUBSCRIPTION_OPTIONS,
      delivery: { oneOf: [ref('NewWebhookDelivery'), ref('NewPullDelivery')] },
      start: {
        anyOf: [CURSOR, { enum: ['earliest', 'now'] }],
        default: 'now',
        description: 'The start of the subscription.',
      },
    },
    ['channels', 'delivery'],
  ),
  SubscriptionChanges: closedObject(
    {
      ...withoutDefaults(SUBSCRIPTION_OPTIONS),
      delivery: {
        type: 'object',
        properties: { ...withoutDefaults(WEBHOOK), ...PULL, kind: { enum: ['webhook', 'pull'] } },
        description: 'The members to replace. The kind and the dialect cannot change.',
      },
    },
    [],
    'Any of the members; `null` restores the default.',
  ),
  WebhookDelivery: {
    type: 'object',
    properties: {
      ...WEBHOOK,
      dialect: { enum: ['standard', 'cloudevents', 'rest-hooks', 'websub'] },
      secret: { type: 'string', description: 'Only for a new secret; shown only here.' },
      secrets: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            kind: { enum: ['hmac', 'ed25519'] },
            publicKey: { type: 'string' },
            expires: TIME_OR_NULL,
          },
        },
        description: 'The current signature scheme.',
      },
    },
    required: ['kind'],
  },
  PullDelivery: { type: 'object', properties: PULL, required: ['kind'] },
  Subscription: {
    type: 'object',
    properties: {
      id: { type: 'string', pattern: '^sub_[0-9a-z]{16}$' },
      state: { enum: ['pending', 'active', 'paused', 'suspended', 'ended'] },
      reason: { type: 'string', description: 'The reason (PROTOCOL.md section 14.2).' },
      since: TIME,
      ...SUBSCRIPTION_OPTIONS,
      delivery: { oneOf: [ref('WebhookDelivery'), ref('PullDelivery')] },
      cursor: { ...CURSOR, description: 'All events up to here are done, or counted in `backlog`.' },
      backlog: {
        type: 'object',
        properties: {
          inFlight: { ...COUNT, description: 'Events in flight or leased.' },
          failing: { ...COUNT, description: 'Events that wait for another attempt.' },
          waiting: { ...COUNT, description: 'Events that wait for other events or for their turn.' },
          deadLetters: { ...COUNT, description: 'Dead letters.' },
          lagMs: { type: 'number', minimum: 0, description: 'The age of the oldest event that is not done.' },
          lagEvents: {
            ...COUNT,
            description:
              'Events that are not done: in flight, failing, waiting, and matching events after `cursor`. The hub counts events that are not in memory after the first request. Until then, and beyond 100,000, it counts positions.',
          },
          lagPositions: { ...COUNT, description: 'Positions of the log from `cursor` to its head.' },
        },
      },
      owner: { type: 'object', properties: { key: { type: 'string' }, user: { type: 'string' } } },
      created: TIME,
      changed: TIME,
    },
    required: ['id', 'state', 'reason', 'since', 'channels', 'delivery', 'cursor'],
  },
  Attempt: {
    type: 'object',
    properties: {
      number: { type: 'integer', minimum: 1 },
      subscription: { type: 'string' },
      event: { anyOf: [CURSOR, { type: 'null' }], description: '`null` for samples, verifications and gaps.' },
      gap: { type: 'boolean', description: 'Whether the request reported lost events, alone or in a batch.' },
      count: { ...COUNT, description: 'The number of events in the request; `event` is the first.' },
      attempt: { type: 'integer', minimum: 1, description: '1 for the first attempt.' },
      started: TIME,
      outcome: { enum: OUTCOMES },
      detail: { type: 'string' },
      request: {
        type: 'object',
        properties: { url: { type: 'string' }, headers: { type: 'object' }, bodyBytes: COUNT },
      },
      response: {
        type: ['object', 'null'],
        properties: {
          status: { type: 'integer' },
          headers: { type: 'object' },
          body: { type: 'string', description: 'Its first 16 KiB.' },
          cut: { type: 'boolean' },
        },
      },
      timing: {
        type: 'object',
        properties: {
          nameMs: MS_OR_NULL,
          connectMs: MS_OR_NULL,
          tlsMs: MS_OR_NULL,
          firstByteMs: MS_OR_NULL,
          totalMs: { type: 'number', minimum: 0 },
        },
        description: 'The duration of each phase; `null` for a phase that did not happen.',
      },
    },
  },
  DeadLetter: {
    type: 'object',
    properties: {
      event: CURSOR,
      channel: { $ref: '#/components/schemas/Channel' },
      attempts: COUNT,
      since: TIME,
      outcome: { enum: [...OUTCOMES, 'deliveries', 'channel_removed'] },
      detail: { type: 'string' },
      payload: {
        anyOf: [{ $ref: '#/components/schemas/Event' }, { type: 'null' }],
        description:
          'Only if read alone: the event, or `null` if retention has removed it or its log no longer exists.',
      },
    },
  },
  Replay: {
    type: 'object',
    properties: {
      id: { type: 'string' },
      after: CURSOR,
      through: CURSOR,
      reached: CURSOR,
      channel: { type: ['string', 'null'] },
      done: { type: 'boolean' },
    },
  },
  Trace: {
    type: 'object',
    properties: {
      event: CURSOR,
      deliveries: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            subscription: { type: 'string' },
            state: { enum: ['delivered', 'trying', 'waiting', 'leased', 'dead-letter', 'done'] },
            tries: {
              type: ['integer', 'null'],
              minimum: 0,
              description:
                '`null` if it is not stored: for an acknowledged pull, and for a webhook without stored attempts.',
            },
            first: TIME_OR_NULL,
            last: TIME_OR_NULL,
            due: { ...TIME_OR_NULL, description: 'The end of the lease, or the time of the next attempt.' },
            attempts: { type: 'array', items: { $ref: '#/components/schemas/Attempt' } },
          },
        },
      },
    },
  },
  NewReplay: closedObject(
    {
      after: { anyOf: [CURSOR, { const: 'earliest' }] },
      since: TIME,
      channel: { $ref: '#/components/schemas/Channel' },
    },
    [],
    'Either `after` or `since`.',
  ),
  NewSecret: closedObject(
    { ...SECRET, overlapSeconds: { type: 'integer', minimum: 0, maximum: 2_592_000, default: 86_400 } },
    [],
  ),
  LeasedEvent: {
    type: 'object',
    properties: {
      lease: {
        type: 'string',
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$',
        description: 'The id for the acknowledgement.',
      },
      delivery: { type: 'integer', minimum: 1, description: '1 for the first delivery.' },
      leaseEnds: TIME,
      event: { $ref: '#/components/schemas/Event' },
    },
    required: ['lease', 'delivery', 'leaseEnds', 'event'],
  },
};

function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** Removes the defaults of optional changes: generated clients would send the defaults. */
function withoutDefaults(properties: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  const without = (schema: JsonSchema): JsonSchema =>
    Object.fromEntries(Object.entries(schema).filter(([member]) => member !== 'default'));
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, without(schema)]));
}

function closedObject(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  description?: string,
): JsonSchema {
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
    ...(description !== undefined && { description }),
  };
}
