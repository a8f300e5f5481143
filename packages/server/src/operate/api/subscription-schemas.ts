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
    description: 'Only events that pass it.',
  },
  ordering: {
    enum: ['per-channel', 'none'],
    default: 'per-channel',
    description: "`per-channel`: a channel's events one at a time, in order.",
  },
  ratePerSecond: { type: ['integer', 'null'], minimum: 1, maximum: 1_000_000, description: '`null`: no bound.' },
  concurrencyMax: {
    type: ['integer', 'null'],
    minimum: 1,
    description: 'Requests at once; of a pull, events leased at once.',
  },
  description: { type: ['string', 'null'], maxLength: 500 },
  metadata: {
    type: ['object', 'null'],
    maxProperties: 20,
    additionalProperties: { type: 'string', maxLength: 500 },
    description: "The owner's own notes.",
  },
  expires: { ...TIME_OR_NULL, description: 'It ends then; `null`: never.' },
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
    description: 'Sent along with each request. Values that carry credentials are shown as `…`.',
  },
  batch: {
    type: ['object', 'null'],
    properties: {
      countMax: { type: 'integer', minimum: 1, maximum: 1000 },
      waitMs: { type: 'integer', minimum: 0, maximum: 60_000, default: 0 },
    },
    required: ['countMax'],
    additionalProperties: false,
    description: 'Up to so many events in a request, as a JSON array; so long the first waits for others.',
  },
  timeoutMs: { type: 'integer', minimum: 100, description: 'For the whole exchange.' },
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
    description: '`whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519 key; made by the hub unless given.',
  },
  signature: { enum: ['hmac', 'ed25519'], default: 'hmac', description: 'What the hub makes.' },
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
      start: { anyOf: [CURSOR, { enum: ['earliest', 'now'] }], default: 'now', description: 'Where it begins.' },
    },
    ['channels', 'delivery'],
  ),
  SubscriptionChanges: closedObject(
    {
      ...withoutDefaults(SUBSCRIPTION_OPTIONS),
      delivery: {
        type: 'object',
        properties: { ...withoutDefaults(WEBHOOK), ...PULL, kind: { enum: ['webhook', 'pull'] } },
        description: 'Its members that are to be replaced; the kind and the dialect stay.',
      },
    },
    [],
    'Any of its members; `null` stands for what holds unless something is given.',
  ),
  WebhookDelivery: {
    type: 'object',
    properties: {
      ...WEBHOOK,
      dialect: { enum: ['standard', 'cloudevents', 'rest-hooks', 'websub'] },
      secret: { type: 'string', description: 'When it is new: shown here and never again.' },
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
        description: 'What requests are signed with at present.',
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
      reason: { type: 'string', description: 'Why (PROTOCOL.md section 14.2).' },
      since: TIME,
      ...SUBSCRIPTION_OPTIONS,
      delivery: { oneOf: [ref('WebhookDelivery'), ref('PullDelivery')] },
      cursor: { ...CURSOR, description: 'All up to here is done, or counted in `backlog`.' },
      backlog: {
        type: 'object',
        properties: {
          inFlight: { ...COUNT, description: 'Events under way, or leased.' },
          failing: { ...COUNT, description: 'Events that wait for another attempt.' },
          waiting: { ...COUNT, description: 'Events that are taken up, and wait for others or for their turn.' },
          deadLetters: { ...COUNT, description: 'Events given up on.' },
          lagMs: { type: 'number', minimum: 0, description: 'How old the oldest event is that is not done.' },
          lagEvents: {
            ...COUNT,
            description:
              'Events that are not done: under way, failing, waiting, and those after `cursor` that it matches and has not taken up. Those that are not in memory are counted once somebody has asked; until then, and beyond 100,000, their positions count.',
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
      gap: { type: 'boolean', description: 'It told that events are lost, by itself or in a batch.' },
      count: { ...COUNT, description: 'How many events it was of; `event` is the first.' },
      attempt: { type: 'integer', minimum: 1, description: '1 for the first.' },
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
        description: 'Where the time went; `null` for what did not happen.',
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
          'When it is read alone: the event, or `null` when retention has removed it, or its log is no more.',
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
              description: '`null` where that is not kept: of a pull that is done, and of a webhook without attempts.',
            },
            first: TIME_OR_NULL,
            last: TIME_OR_NULL,
            due: { ...TIME_OR_NULL, description: 'When its lease ends, or it is tried again.' },
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
    'One of `after` and `since`.',
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
        description: 'What to acknowledge it by.',
      },
      delivery: { type: 'integer', minimum: 1, description: '1 for the first time.' },
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
