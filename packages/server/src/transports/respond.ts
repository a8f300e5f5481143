import { ERRORS, PolycastError } from '@polycast/protocol';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { secure } from './security-headers.ts';

/** Answers with a text of known size. The pairs of `headers` come before those of the body. */
export function respond(
  response: ServerResponse,
  status: number,
  mediaType: string,
  text: string | Uint8Array,
  headers: readonly string[] = [],
): void {
  const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
  const cors = corsOf(response);
  const own = ['Content-Type', mediaType, 'Content-Length', String(bytes), 'X-Content-Type-Options', 'nosniff'];
  response.writeHead(status, cors.length + headers.length === 0 ? own : [...cors, ...headers, ...own]);
  if (isHead(response)) response.end();
  // A text leaves in one write with the head, bytes in two; and one without multi-byte characters needs no encoder.
  else if (typeof text === 'string') response.end(text, bytes === text.length ? 'latin1' : 'utf8');
  else response.end(text);
}

/** Answers without a body: 204, 304. */
export function respondEmpty(response: ServerResponse, status: number, headers: readonly string[] = []): void {
  const cors = corsOf(response);
  response.writeHead(status, cors.length === 0 ? (headers as string[]) : [...cors, ...headers]);
  response.end();
}

/** Answers with a problem document (PROTOCOL.md section 9). */
export function respondProblem(response: ServerResponse, error: PolycastError, headers: readonly string[] = []): void {
  const { status } = ERRORS[error.code];
  secure(response, NO_HEADERS);
  respond(response, status, 'application/problem+json', JSON.stringify(error.problem), [
    ...headers,
    'Cache-Control',
    'no-store',
    ...retryAfter(error),
  ]);
}

/** `Retry-After` in whole seconds, for what may succeed later. */
export function retryAfter(error: PolycastError): string[] {
  const { status } = ERRORS[error.code];
  if (status !== 429 && status !== 503) return [];
  const afterMs = error.extensions?.['retryAfterMs'];
  return ['Retry-After', String(Math.max(1, Math.ceil((typeof afterMs === 'number' ? afterMs : 1000) / 1000)))];
}

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
