import { GAP_REASONS, SESSION_TRANSPORTS } from '@polycast/protocol';
import { DIALECT_SCHEMAS } from './dialect-schemas.ts';
import type { JsonSchema } from './operation.ts';
import { SUBSCRIPTION_SCHEMAS } from './subscription-schemas.ts';

const USER: JsonSchema = { type: 'string', minLength: 1, maxLength: 128 };
const ADDRESSED_EVENT_COMMON: Readonly<Record<string, JsonSchema>> = {
  data: { description: 'Any JSON value. The hub keeps it character for character.' },
  type: { type: 'string', minLength: 1, maxLength: 200 },
  idempotencyKey: { type: 'string', minLength: 1, maxLength: 255 },
};
const ADDRESSED_EVENT: Readonly<Record<string, JsonSchema>> = {
  ...ADDRESSED_EVENT_COMMON,
  ifMatch: {
    $ref: '#/components/schemas/Cursor',
    description: "Publishes only if this is the id of the newest event of the user's private channel.",
  },
};

/** The options of a key. */
const KEY_OPTIONS: Readonly<Record<string, JsonSchema>> = {
  name: { type: 'string', minLength: 1, maxLength: 100 },
  scopes: { $ref: '#/components/schemas/Scopes' },
  expires: { type: ['string', 'null'], format: 'date-time' },
};

/** The value of a scope: patterns of channels, or the whole hub (`>`). */
const PATTERNS: JsonSchema = {
  type: 'array',
  items: { $ref: '#/components/schemas/Pattern' },
  minItems: 1,
  maxItems: 100,
};
const WHOLE_HUB: JsonSchema = { type: 'array', items: { type: 'string', enum: ['>'] }, minItems: 1, maxItems: 1 };

/** The schemas that several operations share; `ref` refers to them. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Cursor: {
    type: 'string',
    pattern: '^[0-9a-hjkmnp-tv-z]{10}-[0-9a-hjkmnp-tv-z]{11}$',
    description: 'A place in the log (PROTOCOL.md section 2). Opaque: store it and send it back.',
    examples: ['0t24qj92dx-00000000010'],
  },
  Channel: {
    type: 'string',
    maxLength: 200,
    pattern: String.raw`^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$`,
    description: 'A channel (PROTOCOL.md section 1.1).',
    examples: ['orders.42'],
  },
  Pattern: {
    type: 'string',
    maxLength: 200,
    pattern: String.raw`^(?:(?:[A-Za-z0-9_-]+|\*)\.)*(?:[A-Za-z0-9_-]+|\*|>)$`,
    description:
      'A channel, or a pattern with `*` for one token and a last `>` for one or more (PROTOCOL.md section 1.2).',
    examples: ['orders.>'],
  },
  Event: object(
    {
      id: { ...ref('Cursor'), description: 'The cursor directly after this event.' },
      channel: ref('Channel'),
      type: { type: 'string', minLength: 1, maxLength: 200 },
      time: { type: 'string', format: 'date-time', description: 'The time at which the hub accepted the event.' },
      user: { type: 'string' },
      origin: { type: 'string' },
      datacontenttype: { type: 'string', description: 'The media type of the data, if it is not JSON.' },
      cloudevent: { type: 'object', description: 'Other attributes of a CloudEvent.' },
      data: { description: 'Any JSON value, or the text that was published.' },
      data_base64: {
        type: 'string',
        contentEncoding: 'base64',
        description: 'Instead of `data`, if bytes were published.',
      },
    },
    ['id', 'channel', 'time'],
  ),
  Gap: object(
    { from: ref('Cursor'), to: ref('Cursor'), reason: { enum: Object.keys(GAP_REASONS) } },
    ['from', 'to', 'reason'],
    'The hub can no longer deliver the events after `from`, up to and including `to` (PROTOCOL.md section 2.3).',
  ),
  Poll: object(
    {
      events: list(ref('Event')),
      cursor: ref('Cursor'),
      gaps: list(ref('Gap')),
      more: {
        type: 'boolean',
        description: '`true`: the hub has searched only a part of the log. Poll again at once.',
      },
    },
    ['events', 'cursor', 'gaps'],
    'The `after` of the next poll.',
  ),
  History: object(
    {
      events: list(ref('Event')),
      previous: { anyOf: [ref('Cursor'), { type: 'null' }], description: 'The `before` of the preceding page.' },
      next: { anyOf: [ref('Cursor'), { type: 'null' }], description: 'The `after` of the following page.' },
      gaps: list(ref('Gap')),
    },
    ['events', 'previous', 'next', 'gaps'],
    'Oldest event first.',
  ),
  NewEvent: {
    ...object(
      {
        channel: ref('Channel'),
        data: { description: 'Any JSON value. The hub keeps it character for character.' },
        type: { type: 'string', minLength: 1, maxLength: 200 },
        idempotencyKey: { type: 'string', minLength: 1, maxLength: 255 },
        ifMatch: {
          oneOf: [ref('Cursor'), { type: 'string', enum: ['none', '*'] }],
          description:
            "Publishes only if this is the id of the channel's newest event; `none`: only if it has no event; `*`: only if it has an event.",
        },
      },
      ['channel', 'data'],
    ),
    additionalProperties: false,
  },
  Published: object(
    { id: ref('Cursor'), channel: ref('Channel'), time: { type: 'string', format: 'date-time' } },
    ['id', 'channel', 'time'],
    'The event is durable.',
  ),
  Result: { oneOf: [ref('Published'), object({ error: ref('Problem') }, ['error'])] },
  Results: object({ results: list(ref('Result')) }, ['results'], 'One result per user, in order.'),
  Letter: { ...object(ADDRESSED_EVENT, ['data']), additionalProperties: false },
  LetterToUser: { ...object({ ...ADDRESSED_EVENT, user: USER }, ['data', 'user']), additionalProperties: false },
  LetterToUsers: {
    ...object(
      { ...ADDRESSED_EVENT_COMMON, users: { ...list(USER), minItems: 1, maxItems: 10_000, uniqueItems: true } },
      ['data', 'users'],
    ),
    additionalProperties: false,
  },
  AddressedLetter: { oneOf: [ref('LetterToUser'), ref('LetterToUsers')] },
  UserList: object(
    {
      users: list(
        object(
          {
            user: USER,
            sessions: { type: 'integer', description: 'The number of sessions; 0 for a user who polled recently.' },
            info: { description: 'Information of the site about the user.' },
          },
          ['user', 'sessions'],
        ),
      ),
      next: { type: ['string', 'null'] },
    },
    ['users', 'next'],
  ),
  ChannelList: object(
    {
      channels: list(
        object(
          {
            channel: ref('Channel'),
            events: { type: 'integer', description: 'The number of stored events.' },
            bytes: { type: 'integer', description: 'The size of their JSON.' },
            oldest: { type: ['string', 'null'], description: 'The time of the oldest stored event.' },
            latest: { type: ['string', 'null'], description: 'The id of the newest stored event.' },
          },
          ['channel', 'events', 'bytes', 'oldest', 'latest'],
        ),
      ),
      next: { type: ['string', 'null'] },
    },
    ['channels', 'next'],
  ),
  User: object(
    {
      user: USER,
      online: { type: 'boolean', description: 'The user is connected, or has polled recently.' },
      info: { description: 'Information of the site about the user.' },
      sessions: list(
        object(
          {
            session: { type: 'string' },
            transport: { enum: SESSION_TRANSPORTS },
            since: { type: 'string', format: 'date-time' },
            channels: { type: 'integer' },
            cursor: { ...ref('Cursor'), description: 'The position up to which the session has received events.' },
            behind: { type: 'integer', description: 'The distance to the head of the log, in positions.' },
            address: { type: 'string' },
          },
          ['session', 'transport', 'since', 'channels', 'cursor', 'behind', 'address'],
        ),
      ),
    },
    ['user', 'online', 'sessions'],
  ),
  Presence: object(
    {
      channel: ref('Channel'),
      cursor: { ...ref('Cursor'), description: 'The cursor at which the list is valid.' },
      listed: { type: 'boolean', description: 'Whether presence events name members or only counts.' },
      users: { type: 'integer' },
      anonymous: { type: 'integer', description: 'Anonymous sessions.' },
      members: list(
        object(
          {
            user: USER,
            info: { description: 'Information of the site about the user.' },
            sessions: { type: 'integer' },
            since: { type: 'string', format: 'date-time' },
          },
          ['user', 'sessions', 'since'],
        ),
      ),
    },
    ['channel', 'cursor', 'listed', 'users', 'anonymous', 'members'],
  ),
  CloudEvent: {
    ...object(
      {
        specversion: { const: '1.0' },
        id: { type: 'string', minLength: 1 },
        source: { type: 'string', minLength: 1 },
        type: { type: 'string', minLength: 1 },
        subject: { type: 'string' },
        time: { type: 'string', format: 'date-time' },
        datacontenttype: { type: 'string' },
        channel: ref('Channel'),
        data: {},
        data_base64: { type: 'string', contentEncoding: 'base64' },
      },
      ['specversion', 'id', 'source', 'type'],
      'CloudEvents 1.0 in the JSON format. The channel is `channel`, otherwise `subject` (PROTOCOL.md section 8.5).',
    ),
    additionalProperties: true,
  },
  Scopes: {
    ...object(
      {
        publish: PATTERNS,
        subscribe: PATTERNS,
        subscriptions: PATTERNS,
        users: WHOLE_HUB,
        admin: WHOLE_HUB,
      },
      [],
    ),
    additionalProperties: false,
    minProperties: 1,
  },
  Key: object(
    {
      id: { type: 'string' },
      name: { type: 'string' },
      scopes: ref('Scopes'),
      created: { type: 'string', format: 'date-time' },
      expires: { type: ['string', 'null'], format: 'date-time' },
      lastUsed: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'After a crash it may be up to a minute old.',
      },
      overlapUntil: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'During a rotation: the time until which the old secret is valid.',
      },
    },
    ['id', 'name', 'scopes', 'created', 'expires', 'lastUsed', 'overlapUntil'],
  ),
  MadeKey: {
    allOf: [ref('Key'), object({ key: { type: 'string', pattern: '^pck_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$' } }, ['key'])],
  },
  NewKey: { ...object(KEY_OPTIONS, ['name', 'scopes']), additionalProperties: false },
  KeyChanges: { ...object(KEY_OPTIONS, [], 'Any of its members.'), minProperties: 1, additionalProperties: false },
  Rotation: {
    ...object({ overlapSeconds: { type: 'integer', minimum: 0, maximum: 2_592_000, default: 86_400 } }, []),
    additionalProperties: false,
  },
  NewRevocation: {
    ...object(
      {
        user: { type: 'string' },
        token: { type: 'string', description: 'The id of the token, `jti`.' },
        key: { type: 'string', description: 'Its id.' },
        session: { type: 'string', description: 'The session id of `ready`.' },
        issuedBefore: { type: 'string', format: 'date-time', description: 'The default is now.' },
      },
      [],
      'One of `user`, `token`, `key` and `session`.',
    ),
    additionalProperties: false,
  },
  AuditEntry: object(
    {
      id: { type: 'integer' },
      time: { type: 'string', format: 'date-time' },
      action: { type: 'string' },
      subject: { type: 'string' },
      by: { type: 'object', description: '`kind`, and `key` with `name`, or `user`; `address`.' },
      detail: { type: 'object' },
    },
    ['id', 'time', 'action', 'subject', 'by', 'detail'],
  ),
  Explanation: object(
    {
      allowed: { type: 'boolean' },
      action: { enum: ['subscribe', 'publish', 'history', 'presence'] },
      channel: { type: 'string' },
      as: { type: 'object' },
      by: { type: 'string', description: 'The rule that decided.' },
      needs: { type: 'string', description: 'The missing permission.' },
      revokedBefore: {
        type: 'string',
        format: 'date-time',
        description: 'The hub refuses credentials of the user issued before this time, regardless of the rules.',
      },
    },
    ['allowed', 'action', 'channel', 'as', 'by'],
  ),
  ...SUBSCRIPTION_SCHEMAS,
  ...DIALECT_SCHEMAS,
  Problem: object(
    {
      type: { type: 'string', format: 'uri' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { type: 'string', description: 'Stable. Clients base decisions on it.' },
      detail: { type: 'string' },
      retryable: { type: 'boolean', description: 'Whether the same request can succeed later without a change.' },
    },
    ['type', 'title', 'status', 'code', 'retryable'],
    'RFC 9457.',
  ),
};

export function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

function object(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  description?: string,
): JsonSchema {
  return { type: 'object', ...(description !== undefined && { description }), required, properties };
}
