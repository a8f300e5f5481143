import type { ServerResponse } from 'node:http';

/**
 * The security headers of every response (PROTOCOL.md section 13.8). Browsers do not guess the
 * media type, show the response in no frame, and send no referrer. Pages of other sites may not
 * load it as an image or script. A response that needs another value sets it itself.
 */
const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "frame-ancestors 'none'"],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
];

/** `Strict-Transport-Security` as a pair, or nothing for 0 seconds. */
export function createStrictTransportHeader(maxAgeSeconds: number): readonly string[] {
  return maxAgeSeconds === 0 ? [] : ['Strict-Transport-Security', `max-age=${maxAgeSeconds}`];
}

/**
 * Sets the headers on a response of any kind. Responses to polls and publishes do not call this:
 * they are frequent, and browsers do not display them. They write the first and the last of the
 * headers themselves.
 */
export function setSecurityHeaders(response: ServerResponse, strictTransportHeader: readonly string[]): void {
  for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value);
  if (strictTransportHeader.length > 0)
    response.setHeader(strictTransportHeader[0] as string, strictTransportHeader[1] as string);
}
