import { ERRORS, PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { joinPairs, NO_STORE } from './cache-headers.ts';
import { secure } from './security-headers.ts';
import { noteGiven } from './unread-answers.ts';

/** Answers with a text of known size. The pairs of `headers` come before those of the body. */
export function respond(
  response: ServerResponse,
  status: number,
  mediaType: string,
  text: string | Uint8Array,
  headers: readonly string[] = [],
): void {
  const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
  const own = ['Content-Type', mediaType, 'Content-Length', String(bytes), 'X-Content-Type-Options', 'nosniff'];
  const also = joinPairs(corsOf(response), headers);
  response.writeHead(status, also.length === 0 ? own : [...also, ...own]);
  if (isHead(response)) response.end();
  // A text leaves in one write with the head, bytes in two; and one without multi-byte characters needs no encoder.
  else if (typeof text === 'string') response.end(text, bytes === text.length ? 'latin1' : 'utf8');
  else response.end(text);
  noteGiven(response, bytes);
}

/** Answers without a body: 204, 304. */
export function respondEmpty(response: ServerResponse, status: number, headers: readonly string[] = []): void {
  response.writeHead(status, joinPairs(corsOf(response), headers) as string[]);
  response.end();
}

/** Answers with a problem document (PROTOCOL.md section 9). */
export function respondProblem(response: ServerResponse, error: PolycastError, headers: readonly string[] = []): void {
  const { status } = ERRORS[error.code];
  secure(response, NO_HEADERS);
  const pairs = [...headers, ...refusalPairs(error)];
  respond(response, status, 'application/problem+json', JSON.stringify(error.problem), pairs);
}

/**
 * The headers that every refusal carries, whatever makes it: `Retry-After` in whole seconds for what may succeed later, and with 401
 * how to say who one is. "The server generating a 401 response MUST send a WWW-Authenticate header field" (RFC 9110 section 15.5.2).
 */
export function refusalPairs(error: PolycastError): readonly string[] {
  const { status } = ERRORS[error.code];
  if (status === 401) return error.code === 'token_expired' ? EXPIRED : UNAUTHORIZED;
  if (status !== 429 && status !== 503) return NO_STORE;
  const afterMs = error.extensions?.['retryAfterMs'];
  const seconds = Math.max(1, Math.ceil((typeof afterMs === 'number' ? afterMs : 1000) / 1000));
  return [...NO_STORE, 'Retry-After', String(seconds)];
}

const UNAUTHORIZED = [...NO_STORE, 'WWW-Authenticate', 'Bearer realm="polycast"'];
/** RFC 6750 section 3.1. */
const EXPIRED = [
  ...NO_STORE,
  'WWW-Authenticate',
  'Bearer realm="polycast", error="invalid_token", error_description="The token has expired"',
];

/** Whatever was thrown, as the error that a client is shown. */
export function asPolycastError(error: unknown): PolycastError {
  return error instanceof PolycastError ? error : new PolycastError('internal_error');
}

/** A request header's value; several of one name are an error wherever one decides something. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const CORS = Symbol('cors');

/** Notes the headers that every answer to this request carries. */
export function setCors(response: ServerResponse, headers: readonly string[]): void {
  if (headers.length > 0) (response as Annotated)[CORS] = headers;
}

export function corsOf(response: ServerResponse): readonly string[] {
  return (response as Annotated)[CORS] ?? NO_HEADERS;
}

interface Annotated extends ServerResponse {
  [CORS]?: readonly string[];
}

const NO_HEADERS: readonly string[] = [];

function isHead(response: ServerResponse): boolean {
  return response.req.method === 'HEAD';
}
