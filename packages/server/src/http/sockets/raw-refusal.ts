import { ERRORS, PolycastError, type ErrorCode } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isDetached } from './detach-socket.ts';
import type { ErrorSafe } from './error-safe-socket.ts';
import { refusalHeaders } from '../headers/common-headers.ts';

export interface ClientError extends NodeJS.ErrnoException {
  /** The last packet; after an overflow often everything received. */
  readonly rawPacket?: Buffer;
}

/** Refuses input that is not HTTP, too large or too slow. */
export function refuseMalformed(error: ClientError, socket: ErrorSafe, headerBytesMax: number): void {
  // The input after the request of a stream is ignored.
  if (isDetached(socket)) return;
  // A response would wait for a handshake that does not complete.
  const isInHandshake = (socket as { secureConnecting?: boolean }).secureConnecting === true;
  if (error.code === 'ECONNRESET' || !socket.writable || isInHandshake) {
    socket.destroy();
    return;
  }
  refuseAfterPending(socket, new PolycastError(errorCodeOf(error, headerBytesMax)));
}

function errorCodeOf({ code, rawPacket }: ClientError, headerBytesMax: number): ErrorCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  if (code !== 'HPE_HEADER_OVERFLOW') return 'invalid_request';
  const lineBytes = rawPacket?.indexOf(LINE_FEED) ?? 0;
  return lineBytes > headerBytesMax || (lineBytes < 0 && (rawPacket?.length ?? 0) > headerBytesMax)
    ? 'uri_too_long'
    : 'headers_too_large';
}

const LINE_FEED = 10;

/** The members that Node's HTTP server sets on a socket. */
interface HttpSocketParts {
  /** The response that is next on the connection. */
  _httpMessage?: ServerResponse | null;
  parser?: { readonly incoming?: IncomingMessage | null } | null;
  [REFUSED]?: true;
}

const REFUSED: unique symbol = Symbol('refused');

/** Whether a request on this connection has no response yet. */
export function hasPendingResponse(socket: Socket & HttpSocketParts): boolean {
  return (socket._httpMessage ?? null) !== null;
}

/**
 * Writes a refusal to a bare socket after the responses to all earlier requests. Only the first
 * refusal is written; later input is ignored.
 */
export function refuseAfterPending(socket: ErrorSafe & HttpSocketParts, error: PolycastError): void {
  if (socket[REFUSED] === true) return;
  socket[REFUSED] = true;
  // Continue to read and discard: an unread connection does not report that its client has gone.
  socket.resume();
  const incoming = socket.parser?.incoming;
  // A request with an incomplete body receives the refusal as its own response.
  refuseWhenIdle(socket, error, incoming?.complete === false ? incoming : undefined);
}

function refuseWhenIdle(
  socket: ErrorSafe & HttpSocketParts,
  error: PolycastError,
  interrupted: IncomingMessage | undefined,
): void {
  const pending = socket._httpMessage ?? undefined;
  if (pending === undefined) writeRefusal(socket, error);
  else if (pending.req !== interrupted) pending.once('close', () => refuseWhenIdle(socket, error, interrupted));
  else if (pending.headersSent) socket.destroySoon();
  else writeRefusal(socket, error);
}

/** Writes a refusal to a bare socket. */
export function writeRefusal(socket: ErrorSafe, error: PolycastError): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = ERRORS[error.code];
  const body = JSON.stringify(error.problem);
  const head = [
    `HTTP/1.1 ${status} Refused`,
    'Content-Type: application/problem+json',
    'X-Content-Type-Options: nosniff',
    'Cross-Origin-Resource-Policy: same-origin',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  const pairs = refusalHeaders(error);
  for (let index = 0; index < pairs.length; index += 2) head.push(`${pairs[index]}: ${pairs[index + 1]}`);
  if (error.code === 'upgrade_required') head.push('Sec-WebSocket-Version: 13');
  socket.end(head.join('\r\n') + '\r\n\r\n' + body, () => socket.destroy());
}
