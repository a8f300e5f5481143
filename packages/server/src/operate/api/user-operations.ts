import type { ErrorCode } from '@polycast/protocol';
import { ANY_DATA, BYTES } from './binary-contents.ts';
import type { ResponseDescription, Content, Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const USER: Parameter = {
  name: 'user',
  in: 'path',
  schema: { type: 'string', minLength: 1, maxLength: 128 },
  required: true,
  doc: 'The name of the user, percent-encoded.',
};
const READ_ERRORS: readonly ErrorCode[] = [
  'unauthorized',
  'token_expired',
  'forbidden',
  'identity_unavailable',
  'draining',
];
const ADMIN_ERRORS: readonly ErrorCode[] = [
  ...READ_ERRORS,
  'invalid_parameter',
  'origin_not_allowed',
  'invalid_json',
  'invalid_utf8',
  'invalid_body',
  'body_too_large',
  'unsupported_media_type',
  'request_timeout',
  'overloaded',
];

/**
 * Users and presence (PROTOCOL.md sections 13.5 and 13.6).
 * @param publishing the errors of a publish
 * @param key the parameter for a request's idempotency key
 */
export function userOperations(
  publishing: readonly ErrorCode[],
  key: Parameter,
  published: ResponseDescription,
  typeHeader: Parameter,
): readonly Operation[] {
  return [READ_PRESENCE, ...userPublishOperations(publishing, key, published, typeHeader), ...ADMINISTRATION];
}

const READ_PRESENCE: Operation = {
  method: 'GET',
  path: '/v1/channels/{channel}/presence',
  name: 'readPresence',
  allowsAnonymous: true,
  summary: 'Reads the presence of a channel.',
  section: '13.6',
  doc: 'The response has the cursor at which it is valid. The later events of `polycast.presence.{channel}` bring it up to date.',
  parameters: [
    { name: 'channel', in: 'path', schema: ref('Channel'), required: true, doc: 'The channel.' },
    {
      name: 'token',
      in: 'query',
      schema: { type: 'string' },
      doc: 'Credentials, for clients that cannot set headers. The hub never logs them.',
    },
  ],
  bodies: [],
  answers: [
    response(200, 'The presence of the channel.', jsonContent(ref('Presence'), 'The members, or only counts.')),
  ],
  errors: ['invalid_channel', 'invalid_parameter', ...READ_ERRORS, 'not_found', 'log_unavailable'],
};

function userPublishOperations(
  publishing: readonly ErrorCode[],
  key: Parameter,
  published: ResponseDescription,
  typeHeader: Parameter,
): readonly Operation[] {
  return [
    {
      method: 'POST',
      path: '/v1/users/{user}/events',
      name: 'publishToUser',
      allowsAnonymous: true,
      summary: 'Publishes to all devices of a user, now or when they reconnect.',
      section: '13.5',
      doc: 'A JSON body is an envelope without a channel, or an array of these. With `Polycast-Type`, or another media type, the body is the data. The key needs the scope `publish` for `polycast.private.>` or for all channels.',
      parameters: [USER, typeHeader, key],
      bodies: [
        {
          mediaType: 'application/json',
          schema: { oneOf: [ref('Letter'), { ...list(ref('Letter')), maxItems: 10_000 }] },
          doc: 'One event, or at most 10,000.',
        },
        BYTES,
        ANY_DATA,
      ],
      answers: [
        published,
        response(200, 'One result per item, in order.', jsonContent(list(ref('Result')), 'For a list.')),
      ],
      errors: [...publishing, 'precondition_failed', 'batch_too_large'],
    },
    {
      method: 'POST',
      path: '/v1/users/events',
      name: 'publishToUsers',
      allowsAnonymous: true,
      summary: 'Publishes to many users at once.',
      section: '13.5',
      doc: 'An envelope with `user` or `users` instead of `channel`, or a list or a stream of these. For several users, each gets an event of its own.',
      parameters: [key],
      bodies: [
        {
          mediaType: 'application/json',
          schema: { oneOf: [ref('AddressedLetter'), list(ref('AddressedLetter'))] },
          doc: 'One envelope, or a list for at most 10,000 users in total.',
        },
        { mediaType: 'application/x-ndjson', schema: { type: 'string' }, doc: 'One per line, any number.' },
      ],
      answers: [
        published,
        response(
          200,
          'One result per item, in order. For an item with `users`, it contains a result for each user.',
          jsonContent(
            { oneOf: [ref('Results'), list({ oneOf: [ref('Result'), ref('Results')] })] },
            'For `users` and for a list.',
          ),
          { mediaType: 'application/x-ndjson', schema: { type: 'string' }, doc: 'For a stream: one result per line.' },
        ),
      ],
      errors: [...publishing, 'duplicate_member', 'precondition_failed', 'batch_too_large'],
    },
  ];
}

/** The routes for the site's servers. */
const ADMINISTRATION: readonly Operation[] = [
  {
    method: 'GET',
    path: '/v1/users',
    name: 'listUsers',
    summary: 'Lists the users who are online, sorted by name.',
    section: '13.5',
    doc: 'The key needs the scope `users`.',
    parameters: [
      {
        name: 'online',
        in: 'query',
        schema: { const: 'true' },
        required: true,
        doc: 'The hub knows only the users who are online.',
      },
      {
        name: 'limit',
        in: 'query',
        schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        doc: 'At most this many users.',
      },
      { name: 'after', in: 'query', schema: { type: 'string' }, doc: '`next` of the previous page.' },
    ],
    bodies: [],
    answers: [response(200, 'A page.', jsonContent(ref('UserList'), '`next` is the `after` of the next page.'))],
    errors: [...READ_ERRORS, 'invalid_parameter'],
  },
  {
    method: 'GET',
    path: '/v1/users/{user}',
    name: 'readUser',
    summary: 'Reads whether a user is online, with the sessions.',
    section: '13.5',
    doc: 'The key needs the scope `users`.',
    parameters: [USER],
    bodies: [],
    answers: [response(200, 'The user. An unknown user is not an error.', jsonContent(ref('User'), 'The user.'))],
    errors: [...READ_ERRORS, 'invalid_parameter'],
  },
  {
    method: 'POST',
    path: '/v1/users/{user}/disconnect',
    name: 'disconnectUser',
    summary: 'Closes all sessions of a user, for a log-out.',
    section: '13.5',
    doc: 'The hub refuses all credentials of the user issued before. The key needs the scope `users`.',
    parameters: [USER],
    bodies: [
      jsonContent(
        {
          type: 'object',
          properties: { reason: { type: 'string', minLength: 1, maxLength: 200 } },
          additionalProperties: false,
        },
        'For the audit log; optional.',
      ),
    ],
    isBodyOptional: true,
    answers: [
      response(200, 'Ended.', jsonContent({ type: 'object' }, 'The number of `sessions`, and `issuedBefore`.')),
    ],
    errors: [...ADMIN_ERRORS, 'log_full', 'log_unavailable'],
  },
  {
    method: 'POST',
    path: '/v1/users/{user}/reauthenticate',
    name: 'reauthenticateUser',
    summary: 'Makes the hub ask the site again for the identity and the permissions of a user.',
    section: '13.5',
    doc: 'The sessions continue with the new answer, or end. The key needs the scope `users`.',
    parameters: [USER],
    bodies: [],
    answers: [response(200, 'Being asked.', jsonContent({ type: 'object' }, 'The number of `sessions`.'))],
    errors: ADMIN_ERRORS,
  },
];

function jsonContent(schema: Content['schema'], doc: string): Content {
  return { mediaType: 'application/json', schema, doc };
}

function response(status: number, doc: string, ...contents: readonly Content[]): ResponseDescription {
  return { status, doc, contents };
}
