import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import type { Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = { name: 'id', in: 'path', schema: { type: 'string' }, required: true, doc: "The key's id." };
const KEY = jsonContent(ref('Key'), 'The key, without its secret.');
const MADE = jsonContent(ref('MadeKey'), 'The key. `key` is its text, shown here and never again.');

/** Keys, revocations, the audit log and explanations (PROTOCOL.md sections 13.1 and 13.4). */
export const ADMINISTRATION_OPERATIONS: readonly Operation[] = [
  route('GET', '/v1/keys', 'listKeys', 'Lists the keys, the oldest first.', {
    answers: [
      response(200, 'All keys.', jsonContent({ type: 'object', properties: { keys: list(ref('Key')) } }, 'The keys.')),
    ],
  }),
  route('POST', '/v1/keys', 'createKey', 'Creates a key for a server.', {
    bodies: [jsonContent(ref('NewKey'), 'What it is to be good for.')],
    answers: [{ ...response(201, 'Created.', MADE), headers: { Location: 'Its address.' } }],
  }),
  route('GET', '/v1/keys/{id}', 'readKey', 'Reads one key.', {
    parameters: [ID],
    answers: [response(200, 'The key.', KEY)],
  }),
  route('PATCH', '/v1/keys/{id}', 'changeKey', "Changes a key's name, scopes or expiry.", {
    doc: 'With other scopes or another expiry its sessions end, and come back as what it is now.',
    parameters: [ID],
    bodies: [jsonContent(ref('KeyChanges'), 'What is to change.')],
    answers: [response(200, 'Changed.', KEY)],
  }),
  route('DELETE', '/v1/keys/{id}', 'revokeKey', 'Revokes a key at once and permanently.', {
    doc: 'Its sessions end. `503 log_full` or `log_unavailable`: it is revoked, and not stored yet. The hub stores it as soon as the disk takes it; ask again until `204` or `404` to know that it has.',
    parameters: [ID],
    answers: [response(204, 'Revoked.')],
  }),
  route('POST', '/v1/keys/{id}/rotate', 'rotateKey', 'Gives a key a new secret.', {
    doc: 'The old secret stays good for `overlapSeconds`; one from a rotation before ends at once.',
    parameters: [ID],
    bodies: [jsonContent(ref('Rotation'), 'May be left out.')],
    isBodyOptional: true,
    answers: [response(200, 'Rotated.', MADE)],
  }),
  route('POST', '/v1/revocations', 'revoke', 'Revokes the credentials of a user, a token, a key or a session.', {
    section: '13.4',
    doc: 'It holds within a second on all connections, and after a restart.',
    bodies: [jsonContent(ref('NewRevocation'), 'Whose, and what was given out before when.')],
    answers: [response(201, 'Revoked.', jsonContent({ type: 'object' }, 'What was revoked, and `issuedBefore`.'))],
    errors: ['not_found'],
  }),
  route('GET', '/v1/channels', 'listChannels', 'Lists the channels that there are, in the order of their names.', {
    section: '10.3',
    doc: 'The key needs the scope `subscribe` for all that `match` covers, or `admin`. A page may hold fewer channels than asked for, or none, and still have a next one.',
    parameters: [
      queryParameter('match', { ...ref('Pattern'), default: '>' }, 'Only channels that this pattern covers.'),
      queryParameter(
        'limit',
        { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        'At most this many channels.',
      ),
      queryParameter('after', { type: 'string' }, '`next` of the page before.'),
    ],
    answers: [response(200, 'A page.', jsonContent(ref('ChannelList'), '`next` is the `after` of the next page.'))],
    errors: ['invalid_parameter', 'invalid_pattern', 'log_unavailable'],
  }),
  route('GET', '/v1/audit', 'readAudit', 'Reads who did what to the hub, the newest first.', {
    parameters: [
      queryParameter(
        'limit',
        { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        'At most this many entries.',
      ),
      queryParameter(
        'before',
        { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
        '`next` of the page before.',
      ),
    ],
    answers: [
      response(
        200,
        'A page.',
        jsonContent(
          { type: 'object', properties: { entries: list(ref('AuditEntry')), next: { type: ['integer', 'null'] } } },
          '`next` is the `before` of the next page.',
        ),
      ),
    ],
    errors: ['invalid_parameter'],
  }),
  route(
    'GET',
    '/v1/access/explain',
    'explainAccess',
    'Shows whether a caller may perform an action, and which rule decides.',
    {
      doc: 'One of `subscribe`, `publish`, `history` and `presence`. Without `user` and `key`: for an anonymous caller.',
      parameters: [
        queryParameter('user', { type: 'string' }, 'A user.'),
        queryParameter('claims', { type: 'string' }, 'What the site says of the user: a JSON object.'),
        queryParameter('key', { type: 'string' }, "A key's id."),
        ...['subscribe', 'publish', 'history', 'presence'].map((action) =>
          queryParameter(
            action,
            ref('Pattern'),
            `Whether they may ${action === 'presence' ? 'see who is there' : action === 'history' ? 'read what was before' : action}.`,
          ),
        ),
      ],
      answers: [response(200, 'Yes or no, and why.', jsonContent(ref('Explanation'), 'The answer.'))],
      errors: ['invalid_parameter', 'invalid_pattern', 'not_found'],
    },
  ),
];

function route(
  method: Operation['method'],
  path: string,
  name: string,
  summary: string,
  rest: Omit<OperationDetails, 'section'> & Partial<Pick<OperationDetails, 'section'>>,
): Operation {
  return operation(method, path, name, summary, { section: '13.1', ...rest });
}
