import { GAP_REASONS, SESSION_TRANSPORTS } from '@polycast/protocol';
import { DIALECT_SCHEMAS } from './dialect-schemas.ts';
import type { JsonSchema } from './operation.ts';
import { SUBSCRIPTION_SCHEMAS } from './subscription-schemas.ts';

const USER: JsonSchema = { type: 'string', minLength: 1, maxLength: 128 };
const ADDRESSED_EVENT_COMMON: Readonly<Record<string, JsonSchema>> = {
  data: { description: 'Any JSON value; kept character for character.' },
  type: { type: 'string', minLength: 1, maxLength: 200 },
  idempotencyKey: { type: 'string', minLength: 1, maxLength: 255 },
};
const ADDRESSED_EVENT: Readonly<Record<string, JsonSchema>> = {
  ...ADDRESSED_EVENT_COMMON,
  ifMatch: {
    $ref: '#/components/schemas/Cursor',
    description: "Only if this is the id of the newest event of the user's private channel.",
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
    description: 'A place in the log (PROTOCOL.md section 2). Opaque: store it, send it back.',
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
      id: { ...ref('Cursor'), description: 'The cursor just after this event.' },
      channel: ref('Channel'),
      type: { type: 'string', minLength: 1, maxLength: 200 },
      time: { type: 'string', format: 'date-time', description: 'When the hub accepted it.' },
      user: { type: 'string' },
      origin: { type: 'string' },
      datacontenttype: { type: 'string', description: 'The media type of the data, when it is not JSON.' },
      cloudevent: { type: 'object', description: 'Attributes of a CloudEvent that have no other place here.' },
      data: { description: 'Any JSON value, or the text that was published.' },
      data_base64: {
        type: 'string',
        contentEncoding: 'base64',
        description: 'Instead of `data`, when bytes were published.',
      },
    },
    ['id', 'channel', 'time'],
  ),
  Gap: object(
    { from: ref('Cursor'), to: ref('Cursor'), reason: { enum: Object.keys(GAP_REASONS) } },
    ['from', 'to', 'reason'],
    'Events after `from`, up to and with `to`, can no longer be delivered (PROTOCOL.md section 2.3).',
  ),
  Poll: object(
    {
      events: list(ref('Event')),
      cursor: ref('Cursor'),
      gaps: list(ref('Gap')),
      more: {
        type: 'boolean',
        description: '`true`: a part of the log was looked through, and there is more of it: ask again at once.',
      },
    },
    ['events', 'cursor', 'gaps'],
    'The next poll asks with `after` = `cursor`.',
  ),
  History: object(
    {
      events: list(ref('Event')),
      previous: { anyOf: [ref('Cursor'), { type: 'null' }], description: 'The `before` of the page before this one.' },
      next: { anyOf: [ref('Cursor'), { type: 'null' }], description: 'The `after` of the page after this one.' },
      gaps: list(ref('Gap')),
    },
    ['events', 'previous', 'next', 'gaps'],
    'The oldest event first.',
  ),
  NewEvent: {
    ...object(
      {
        channel: ref('Channel'),
        data: { description: 'Any JSON value; kept character for character.' },
        type: { type: 'string', minLength: 1, maxLength: 200 },
        idempotencyKey: { type: 'string', minLength: 1, maxLength: 255 },
        ifMatch: {
          oneOf: [ref('Cursor'), { type: 'string', enum: ['none', '*'] }],
          description:
            "Only if this is the id of the channel's newest event; `none`: only if it has none; `*`: only if it has one.",
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
  Results: object({ results: list(ref('Result')) }, ['results'], 'One for each user, in order.'),
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
            sessions: { type: 'integer', description: 'Its sessions; 0 of a user who has polled lately.' },
            info: { description: 'What the site shows of the user.' },
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
            events: { type: 'integer', description: 'Events that are kept.' },
            bytes: { type: 'integer', description: 'Of their JSON.' },
            oldest: { type: ['string', 'null'], description: 'When the oldest of them was accepted.' },
            latest: { type: ['string', 'null'], description: 'The id of the newest of them.' },
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
      online: { type: 'boolean', description: 'Connected, or has polled lately.' },
      info: { description: 'What the site shows of the user.' },
      sessions: list(
        object(
          {
            session: { type: 'string' },
            transport: { enum: SESSION_TRANSPORTS },
            since: { type: 'string', format: 'date-time' },
            channels: { type: 'integer' },
            cursor: { ...ref('Cursor'), description: 'All up to here has been given to it.' },
            behind: { type: 'integer', description: 'By how many positions of the log that is behind.' },
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
      cursor: { ...ref('Cursor'), description: 'At which this is true.' },
      listed: { type: 'boolean', description: 'Whether members are told of, or only counts.' },
      users: { type: 'integer' },
      anonymous: { type: 'integer', description: 'Sessions of nobody known.' },
      members: list(
        object(
          {
            user: USER,
            info: { description: 'What the site shows of the user.' },
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
      'CloudEvents 1.0 in the JSON format; the channel is `channel`, else `subject` (PROTOCOL.md section 8.5).',
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
      lastUsed: { type: ['string', 'null'], format: 'date-time', description: 'After a crash up to a minute old.' },
      overlapUntil: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'While a rotation lasts: until when the old secret is good.',
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
        token: { type: 'string', description: 'Its id, `jti`.' },
        key: { type: 'string', description: 'Its id.' },
        session: { type: 'string', description: 'The one in `ready`.' },
        issuedBefore: { type: 'string', format: 'date-time', description: 'Now, unless given.' },
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
      needs: { type: 'string', description: 'What would have been needed.' },
      revokedBefore: {
        type: 'string',
        format: 'date-time',
        description: 'What the user was given before then is refused, whatever the rules say.',
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
      code: { type: 'string', description: 'Stable; clients decide by it.' },
      detail: { type: 'string' },
      retryable: { type: 'boolean', description: 'Whether the same request can succeed later.' },
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
