import { PolycastError, type ErrorCode } from '@polycast/protocol';

/**
 * Refusals that name the wrong part of a request: the member `parameter`, `header` or `member` of
 * the problem document. A reason completes the sentence that begins with the name. Example:
 * `invalidParameter('limit', 'must be a whole number')` says `"limit" must be a whole number.`
 */
export function invalidParameter(parameter: string, reason: string): PolycastError {
  return new PolycastError('invalid_parameter', sentence(parameter, reason), { parameter });
}

/** @param member the path in the body, such as `delivery.url` */
export function invalidBody(member: string, reason: string): PolycastError {
  return invalidMember('invalid_body', member, sentence(member, reason));
}

/** A member of an operation on a WebSocket. */
export function invalidMessage(member: string, reason: string): PolycastError {
  return invalidMember('invalid_message', member, sentence(member, reason));
}

/** A member of an event, or an attribute of a CloudEvent. */
export function invalidEvent(member: string, detail: string): PolycastError {
  return invalidMember('invalid_event', member, detail);
}

/** @param detail a whole sentence, because names of headers have no quotes */
export function invalidHeader(header: string, detail: string): PolycastError {
  return new PolycastError('invalid_header', detail, { header });
}

/** @param detail a whole sentence */
export function invalidMember(code: ErrorCode, member: string, detail: string): PolycastError {
  return new PolycastError(code, detail, { member });
}

/** @param subject `user` or `address` */
export function tooManyConnections(subject: string, limit: number): PolycastError {
  return new PolycastError('too_many_connections', `One ${subject} may have ${limit} open connections.`, {
    limit,
    retryAfterMs: 5000,
  });
}

/** The page that asks is of another site. @param origin its `Origin` */
export function originNotAllowed(origin: string | undefined): PolycastError {
  if (origin === undefined)
    return new PolycastError('origin_not_allowed', 'The page belongs to another site and has no Origin header.');
  return new PolycastError(
    'origin_not_allowed',
    origin === 'null' ? FILE_NOT_ALLOWED : `The setting allowedOrigins does not contain ${origin}.`,
  );
}

const FILE_NOT_ALLOWED =
  'The page is a file or a sandboxed frame. Serve it over HTTP, and add its origin to the setting allowedOrigins. On a hub that listens on loopback, "localPages: files" allows files to read and publish events.';

/** The hub drains. Its clients connect again, to another hub or after the restart. */
export function draining(): PolycastError {
  return new PolycastError('draining', undefined, { retryAfterMs: 1000 });
}

export function tooManyBodies(): PolycastError {
  return new PolycastError('overloaded', 'Too many bodies are in transfer.', { retryAfterMs: 1000 });
}

function sentence(name: string, reason: string): string {
  return `"${name}" ${reason}${reason.endsWith('.') ? '' : '.'}`;
}
