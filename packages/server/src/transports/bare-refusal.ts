import { ERRORS, PolycastError, type ErrorCode } from '@polycast/protocol';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { retryAfter } from './respond.ts';

export interface ClientError extends NodeJS.ErrnoException {
  /** What came last; with an overflow often all that came. */
  readonly rawPacket?: Buffer;
}

/** Bytes that are no HTTP, or too many, or too slow. */
export function refuseUnreadable(error: ClientError, socket: Duplex, headerBytesMax: number): void {
  // Words would wait for a handshake that does not come.
  const isShaking = (socket as Partial<TLSSocket & { secureConnecting: boolean }>).secureConnecting === true;
  if (error.code === 'ECONNRESET' || !socket.writable || isShaking) {
    socket.destroy();
    return;
  }
  refuseUpgrade(socket, new PolycastError(refusalOf(error, headerBytesMax)));
}

function refusalOf({ code, rawPacket }: ClientError, headerBytesMax: number): ErrorCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  if (code !== 'HPE_HEADER_OVERFLOW') return 'invalid_request';
  const lineBytes = rawPacket?.indexOf(LINE_FEED) ?? 0;
  return lineBytes > headerBytesMax || (lineBytes < 0 && (rawPacket?.length ?? 0) > headerBytesMax)
    ? 'uri_too_long'
    : 'headers_too_large';
}

const LINE_FEED = 10;

/** A refusal on a bare socket. */
export function refuseUpgrade(socket: Duplex, error: PolycastError): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = ERRORS[error.code];
  const body = JSON.stringify(error.problem);
  const retry = retryAfter(error);
  const head = [
    `HTTP/1.1 ${status} Refused`,
    'Content-Type: application/problem+json',
    'X-Content-Type-Options: nosniff',
    'Cross-Origin-Resource-Policy: same-origin',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (retry.length > 0) head.push(`Retry-After: ${retry[1]}`);
  if (error.code === 'upgrade_required') head.push('Sec-WebSocket-Version: 13');
  socket.end(head.join('\r\n') + '\r\n\r\n' + body, () => socket.destroy());
}
