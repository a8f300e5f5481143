import { ERRORS, type PolycastError } from '@polycast/protocol';
import type { ServerResponse } from 'node:http';
import { NO_STORE } from './cache-headers.ts';

/** Sets the headers that every response to this request carries. */
export function setCommonHeaders(response: ServerResponse, headers: readonly string[]): void {
  if (headers.length > 0) (response as ResponseWithCommonHeaders)[COMMON_HEADERS] = headers;
}

export function commonHeadersOf(response: ServerResponse): readonly string[] {
  return (response as ResponseWithCommonHeaders)[COMMON_HEADERS] ?? NO_HEADERS;
}

const COMMON_HEADERS = Symbol('cors');

interface ResponseWithCommonHeaders extends ServerResponse {
  [COMMON_HEADERS]?: readonly string[];
}

const NO_HEADERS: readonly string[] = [];

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
