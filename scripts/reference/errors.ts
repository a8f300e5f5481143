import { CLOSE_CODES, ERRORS, type ErrorCode } from '../../packages/protocol/src/index.ts';
import { ERROR_GUIDANCE } from './error-guidance.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/errors.md */
export function errorsPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return page(
    'Errors',
    '`packages/protocol/src/errors.ts`, `close-codes.ts` and `scripts/reference/error-guidance.ts`',
    'A refusal is an RFC 9457 problem document, `application/problem+json`; on a WebSocket it is the `error` of an answer. Base decisions on `code`, which never changes its meaning. `retryable` tells whether the same request can succeed later without a change; then `429` and `503` carry `Retry-After`.',
    '```json\n{\n  "type": "https://polycast.dev/errors/invalid_channel",\n  "title": "The channel name is not valid.",\n  "status": 400,\n  "code": "invalid_channel",\n  "detail": "…",\n  "retryable": false\n}\n```',
    table(
      ['code', 'status', 'title', 'retryable'],
      codes.map((name) => [
        `[\`${name}\`](#${name})`,
        String(ERRORS[name].status),
        ERRORS[name].title,
        ERRORS[name].retryable ? 'yes' : 'no',
      ]),
    ),
    ...codes.map(entry),
    '## WebSocket close codes',
    'The code alone determines what a client does. *Reconnect*: with the cursor, at once or after the hint. *Back-off*: reconnect later. *Stop*: do not reconnect without a change. Treat other codes as *back-off*.',
    table(
      ['code', 'means', 'then'],
      Object.entries(CLOSE_CODES).map(([number, { reason, clientAction: then }]) => [number, reason, then]),
    ),
  );
}

function entry(name: ErrorCode): string {
  const { when, then, members = {} } = ERROR_GUIDANCE[name];
  const extensions = Object.entries(members).map(([member, text]) => `- ${code(member)}: ${text}`);
  return [
    `## ${name}`,
    `\`${ERRORS[name].status}\` ${when}`,
    `**Then:** ${then}`,
    ...(extensions.length > 0 ? [extensions.join('\n')] : []),
  ].join('\n\n');
}
