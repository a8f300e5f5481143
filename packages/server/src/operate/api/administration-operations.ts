import { response, jsonContent, operation, queryParameter, type OperationDetails } from './operation-parts.ts';
import type { Parameter, Operation } from './operation.ts';
import { list, ref } from './schemas.ts';

const ID: Parameter = { name: 'id', in: 'path', schema: { type: 'string' }, required: true, doc: 'The id of the key.' };
const KEY = jsonContent(ref('Key'), 'The key, without its secret.');
const MADE = jsonContent(ref('MadeKey'), 'The key. `key` is its text, shown only here.');

/** Keys, revocations, the audit log and explanations (PROTOCOL.md sections 13.1 and 13.4). */
export const ADMINISTRATION_OPERATIONS: readonly Operation[] = [
  route('GET', '/v1/keys', 'listKeys', 'Lists the keys, oldest first.', {
    answers: [
      response(200, 'All keys.', jsonContent({ type: 'object', properties: { keys: list(ref('Key')) } }, 'The keys.')),
    ],
  }),
  route('POST', '/v1/keys', 'createKey', 'Creates a key for a server.', {
    bodies: [jsonContent(ref('NewKey'), 'The name, scopes and expiry of the key.')],
    answers: [{ ...response(201, 'Created.', MADE), headers: { Location: 'Its address.' } }],
  }),
  route('GET', '/v1/keys/{id}', 'readKey', 'Reads a key.', {
    parameters: [ID],
    answers: [response(200, 'The key.', KEY)],
  }),
  route('PATCH', '/v1/keys/{id}', 'changeKey', 'Changes the name, scopes or expiry of a key.', {
    doc: 'With other scopes or another expiry, the hub closes the sessions of the key. They can reconnect with the new permissions.',
    parameters: [ID],
    bodies: [jsonContent(ref('KeyChanges'), 'The members to change.')],
    answers: [response(200, 'Changed.', KEY)],
  }),
  route('DELETE', '/v1/keys/{id}', 'revokeKey', 'Revokes a key at once and permanently.', {
    doc: 'The hub closes the sessions of the key. `503 log_full` or `log_unavailable`: the key is revoked, but the revocation is not stored yet. The hub stores it when the disk accepts it. Repeat the request until `204` or `404` to be sure.',
    parameters: [ID],
    answers: [response(204, 'Revoked.')],
  }),
  route('POST', '/v1/keys/{id}/rotate', 'rotateKey', 'Creates a new secret for a key.', {
    doc: 'The old secret stays valid for `overlapSeconds`. A secret from an earlier rotation expires at once.',
    parameters: [ID],
    bodies: [jsonContent(ref('Rotation'), 'Optional.')],
    isBodyOptional: true,
    answers: [response(200, 'Rotated.', MADE)],
  }),
  route('POST', '/v1/revocations', 'revoke', 'Revokes the credentials of a user, a token, a key or a session.', {
    section: '13.4',
    doc: 'It takes effect within a second on all connections, and survives a restart.',
    bodies: [jsonContent(ref('NewRevocation'), 'The subject, and the time before which its credentials were issued.')],
    answers: [response(201, 'Revoked.', jsonContent({ type: 'object' }, 'The revoked subject, and `issuedBefore`.'))],
    errors: ['not_found'],
  }),
  route('GET', '/v1/channels', 'listChannels', 'Lists the channels, sorted by name.', {
    section: '10.3',
    doc: 'The key needs the scope `subscribe` for all channels that `match` covers, or `admin`. A page may have fewer channels than requested, or none, and still a next page.',
    parameters: [
      queryParameter('match', { ...ref('Pattern'), default: '>' }, 'Only channels that match this pattern.'),
      queryParameter(
        'limit',
        { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        'At most this many channels.',
      ),
      queryParameter('after', { type: 'string' }, '`next` of the previous page.'),
    ],
    answers: [response(200, 'A page.', jsonContent(ref('ChannelList'), '`next` is the `after` of the next page.'))],
    errors: ['invalid_parameter', 'invalid_pattern', 'log_unavailable'],
  }),
  route('GET', '/v1/audit', 'readAudit', 'Reads the audit log, newest first.', {
    parameters: [
      queryParameter(
        'limit',
        { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        'At most this many entries.',
      ),
      queryParameter(
        'before',
        { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
        '`next` of the previous page.',
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
        queryParameter('claims', { type: 'string' }, 'The claims of the user, as the site gives them: a JSON object.'),
        queryParameter('key', { type: 'string' }, "A key's id."),
        ...['subscribe', 'publish', 'history', 'presence'].map((action) =>
          queryParameter(
            action,
            ref('Pattern'),
            `Whether they may ${action === 'presence' ? 'see who is there' : action === 'history' ? 'read what was before' : action}.`,
          ),
        ),
      ],
      answers: [response(200, 'The decision and its reason.', jsonContent(ref('Explanation'), 'The answer.'))],
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
