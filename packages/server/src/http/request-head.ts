import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';

/**
 * Checks the rules of HTTP that hold for every request, before it is routed (PROTOCOL.md section
 * 9.3). A target in absolute form becomes its path, so that all checks of paths and hosts see one
 * form.
 * @throws PolycastError `invalid_header`, `invalid_request`, `unsupported_transfer_coding`
 */
export function checkRequestHead(request: IncomingMessage): void {
  const { headers, rawHeaders, url = '/' } = request;
  if (headers.host === undefined) {
    if (request.httpVersionMinor > 0) throw new PolycastError('invalid_header', 'Host is missing.');
  } else if (hasTwoHosts(rawHeaders)) throw new PolycastError('invalid_header', 'Host occurs twice.');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw new PolycastError('unsupported_transfer_coding', `Not supported: ${coding.slice(0, 100)}.`);
  if (url.charCodeAt(0) !== SLASH && url !== '*') applyAbsoluteTarget(request, url);
  if (!url.startsWith(COMMON_PREFIX) && url.includes('%')) request.url = decodeUnreserved(request.url as string);
}

/** The most frequent path has no percent-encoding. */
const COMMON_PREFIX = '/v1/events?';

/**
 * "URIs that differ in the replacement of an unreserved character with its corresponding
 * percent-encoded octet are equivalent" (RFC 3986 section 2.3). So `/%6detrics` is `/metrics` for
 * the router and for all checks.
 */
function decodeUnreserved(url: string): string {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const decoded = path.replaceAll(/%[2-7][0-9A-Fa-f]/g, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded;
  });
  return question < 0 ? decoded : decoded + url.slice(question);
}

const UNRESERVED = /^[A-Za-z0-9._~-]$/;

const SLASH = 47;

/**
 * Whether a request has two `Host` headers (RFC 9112 section 3.2). Node uses the first, and a proxy
 * in front may have used the second. Most heads have one name of four letters, so the names are
 * rarely compared.
 */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let candidates = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if ((rawHeaders[index] as string).length === 4) candidates++;
  return candidates > 1 && countHostHeaders(rawHeaders) > 1;
}

function countHostHeaders(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if ((rawHeaders[index] as string).toLowerCase() === 'host') count++;
  return count;
}

/**
 * "The server MUST ignore the received Host header field … and instead use the host information of
 * the request-target" (RFC 9112 section 3.2.2).
 */
function applyAbsoluteTarget(request: IncomingMessage, url: string): void {
  const [, authority, target] = /^https?:\/\/([^/?#@]+)([^#]*)$/i.exec(url) ?? [];
  if (authority === undefined || target === undefined)
    throw new PolycastError('invalid_request', 'The target is neither a path nor an http or https URL.');
  request.headers.host = authority;
  request.url = target.startsWith('/') ? target : `/${target}`;
}
