import { ERRORS, PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mergeHeaderPairs, NO_STORE } from './headers/cache-headers.ts';
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

/**
 * The headers of every refusal: `Retry-After` in whole seconds if the request may succeed later,
 * and a challenge with 401. "The server generating a 401 response MUST send a WWW-Authenticate
 * header field" (RFC 9110 section 15.5.2).
 */
export function refusalHeaders(error: PolycastError): readonly string[] {
  const { status } = ERRORS[error.code];
  if (status === 401) return error.code === 'token_expired' ? EXPIRED_HEADERS : UNAUTHORIZED_HEADERS;
  if (status !== 429 && status !== 503) return NO_STORE;
  const afterMs = error.extensions?.['retryAfterMs'];
  const seconds = Math.max(1, Math.ceil((typeof afterMs === 'number' ? afterMs : 1000) / 1000));
  return [...NO_STORE, 'Retry-After', String(seconds)];
}

const UNAUTHORIZED_HEADERS = [...NO_STORE, 'WWW-Authenticate', 'Bearer realm="polycast"'];
/** RFC 6750 section 3.1. */
const EXPIRED_HEADERS = [
  ...NO_STORE,
  'WWW-Authenticate',
  'Bearer realm="polycast", error="invalid_token", error_description="The token has expired"',
];

/** Converts any thrown value to an error that a client may see. */
export function toPolycastError(error: unknown): PolycastError {
  return error instanceof PolycastError ? error : new PolycastError('internal_error');
}

/**
 * The value of a request header. Several values are joined with commas; every header that affects
 * the request rejects such a value.
 */
export function headerValue(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const COMMON_HEADERS = Symbol('cors');

/** Sets the headers that every response to this request carries. */
export function setCommonHeaders(response: ServerResponse, headers: readonly string[]): void {
  if (headers.length > 0) (response as ResponseWithCommonHeaders)[COMMON_HEADERS] = headers;
}

export function commonHeadersOf(response: ServerResponse): readonly string[] {
  return (response as ResponseWithCommonHeaders)[COMMON_HEADERS] ?? NO_HEADERS;
}

interface ResponseWithCommonHeaders extends ServerResponse {
  [COMMON_HEADERS]?: readonly string[];
}

const NO_HEADERS: readonly string[] = [];

function isHeadRequest(response: ServerResponse): boolean {
  return response.req.method === 'HEAD';
}
