import type { ServerResponse } from 'node:http';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { addVary } from '../headers/cache-headers.ts';
import { respond } from '../respond.ts';

/**
 * The smallest body that is compressed, in bytes; smaller ones gain nothing (PROTOCOL.md section
 * 5.5).
 */
export const COMPRESS_BYTES_MIN = 1024;

/**
 * Sends these pieces as one body. The body is compressed if it is large and the client accepts a
 * coding.
 */
export function respondCompressed(
  response: ServerResponse,
  status: number,
  mediaType: string,
  pieces: readonly Uint8Array[],
  headers: readonly string[],
): void {
  const body = Buffer.concat(pieces);
  const encoding = encodingForSize(response, body.length);
  const varying = body.length >= COMPRESS_BYTES_MIN ? addVary(headers, 'Accept-Encoding') : headers;
  if (encoding === undefined) return respond(response, status, mediaType, body, varying);
  const onCompressed = (error: Error | null, compressed: Buffer): void => {
    if (error !== null) respond(response, status, mediaType, body, varying);
    else respond(response, status, mediaType, compressed, [...varying, 'Content-Encoding', encoding]);
  };
  if (encoding === 'br')
    brotliCompress(
      body,
      { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } },
      onCompressed,
    );
  else gzip(body, { level: 3 }, onCompressed);
}

/** The coding for a body of this size. */
export function encodingForSize(response: ServerResponse, bytes: number): 'br' | 'gzip' | undefined {
  return bytes >= COMPRESS_BYTES_MIN ? acceptedEncoding(response.req.headers['accept-encoding']) : undefined;
}

/** `br`, else `gzip`, unless the client excludes them with `q=0`. */
export function acceptedEncoding(header: string | string[] | undefined): 'br' | 'gzip' | undefined {
  if (header === undefined) return undefined;
  const accepted = String(header)
    .toLowerCase()
    .split(',')
    .filter((part) => !/;\s*q=0(?:\.0*)?\s*$/.test(part))
    .map((part) => part.split(';')[0]?.trim());
  return accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : undefined;
}
