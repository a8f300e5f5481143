import { ERRORS, PolycastError, type ErrorCode } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isDetached } from './detach-socket.ts';
import type { ErrorSafe } from './error-safe-socket.ts';
import { refusalHeaders } from '../respond.ts';

export interface ClientError extends NodeJS.ErrnoException {
  /** What came last; with an overflow often all that came. */
  readonly rawPacket?: Buffer;
}

/** Bytes that are no HTTP, or too many, or too slow. */
export function refuseMalformed(error: ClientError, socket: ErrorSafe, headerBytesMax: number): void {
  // What comes behind the request of a stream means nothing, whatever it is.
  if (isDetached(socket)) return;
  // Words would wait for a handshake that does not come.
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

/** What Node's HTTP server notes on a socket. */
interface HttpSocketParts {
  /** The answer whose turn it is. */
  _httpMessage?: ServerResponse | null;
  parser?: { readonly incoming?: IncomingMessage | null } | null;
  [REFUSED]?: true;
}

const REFUSED: unique symbol = Symbol('refused');

/** Whether a request on this connection has no answer yet. */
export function hasPendingResponse(socket: Socket & HttpSocketParts): boolean {
  return (socket._httpMessage ?? null) !== null;
}

/** A refusal on a bare socket once all requests before have been answered; the first one, and what comes after it means nothing. */
export function refuseAfterPending(socket: ErrorSafe & HttpSocketParts, error: PolycastError): void {
  if (socket[REFUSED] === true) return;
  socket[REFUSED] = true;
  // Read on, for nobody: a connection that is not read does not tell that its client has gone.
  socket.resume();
  const incoming = socket.parser?.incoming;
  // A request that broke off in its body is refused itself.
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

/** A refusal on a bare socket. */
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
