import { ERRORS, PolycastError } from '@polycast/protocol';
import type { ServerResponse } from 'node:http';
import { mergeHeaderPairs } from './headers/cache-headers.ts';
import { commonHeadersOf, refusalHeaders } from './headers/common-headers.ts';
import { setSecurityHeaders } from './security-headers.ts';
import { trackResponse } from './sockets/unread-responses.ts';

/**
 * Sends a response with a body of known size. The pairs of `headers` come before those of the body.
 */
export function respond(
  response: ServerResponse,
  status: number,
  mediaType: string,
  text: string | Uint8Array,
  headers: readonly string[] = [],
): void {
  const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
  const bodyHeaders = ['Content-Type', mediaType, 'Content-Length', String(bytes), 'X-Content-Type-Options', 'nosniff'];
  const allHeaders = mergeHeaderPairs(commonHeadersOf(response), headers);
  response.writeHead(status, allHeaders.length === 0 ? bodyHeaders : [...allHeaders, ...bodyHeaders]);
  if (isHeadRequest(response)) response.end();
  // Node writes a text together with the head, and bytes in a second write. A text without
  // multi-byte characters needs no encoder.
  else if (typeof text === 'string') response.end(text, bytes === text.length ? 'latin1' : 'utf8');
  else response.end(text);
  trackResponse(response, bytes);
}

/** Sends a response without a body: 204, 304. */
export function respondEmpty(response: ServerResponse, status: number, headers: readonly string[] = []): void {
  response.writeHead(status, mergeHeaderPairs(commonHeadersOf(response), headers) as string[]);
  response.end();
}

/** Sends a problem document (PROTOCOL.md section 9). */
export function respondProblem(response: ServerResponse, error: PolycastError, headers: readonly string[] = []): void {
  const { status } = ERRORS[error.code];
  setSecurityHeaders(response, NO_HEADERS);
  const pairs = [...headers, ...refusalHeaders(error)];
  respond(response, status, 'application/problem+json', JSON.stringify(error.problem), pairs);
}

/** Converts any thrown value to an error that a client may see. */
export function toPolycastError(error: unknown): PolycastError {
  return error instanceof PolycastError ? error : new PolycastError('internal_error');
}

const NO_HEADERS: readonly string[] = [];

function isHeadRequest(response: ServerResponse): boolean {
  return response.req.method === 'HEAD';
}
