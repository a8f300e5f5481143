import type { ServerResponse } from 'node:http';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { addVary } from '../headers/cache-headers.ts';
import { respond } from '../respond.ts';

/** Smaller answers gain nothing (PROTOCOL.md section 5.5), in bytes. */
export const COMPRESS_BYTES_MIN = 1024;

/** Answers with these pieces joined, compressed when they are large and the client takes it. */
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

/** The coding that an answer of this size gets. */
export function encodingForSize(response: ServerResponse, bytes: number): 'br' | 'gzip' | undefined {
  return bytes >= COMPRESS_BYTES_MIN ? acceptedEncoding(response.req.headers['accept-encoding']) : undefined;
}

/** `br`, else `gzip`, unless the client gives them no weight. */
export function acceptedEncoding(header: string | string[] | undefined): 'br' | 'gzip' | undefined {
  if (header === undefined) return undefined;
  const accepted = String(header)
    .toLowerCase()
    .split(',')
    .filter((part) => !/;\s*q=0(?:\.0*)?\s*$/.test(part))
    .map((part) => part.split(';')[0]?.trim());
  return accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : undefined;
}
