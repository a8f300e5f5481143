import type { ServerResponse } from 'node:http';

/**
 * What browsers are told of every answer (PROTOCOL.md section 13.8): it is what it says it is, it is shown in no frame, its address is
 * told nobody, and pages of other sites may not load it as one of their images or scripts. An answer that needs another word says it itself.
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
 * Sets them for whatever a response will be. Answers to polls and publishes, which are made by the ten thousand and are nothing that
 * a browser would show, carry the first and the last alone and write them themselves.
 */
export function setSecurityHeaders(response: ServerResponse, strictTransportHeader: readonly string[]): void {
  for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value);
  if (strictTransportHeader.length > 0)
    response.setHeader(strictTransportHeader[0] as string, strictTransportHeader[1] as string);
}
