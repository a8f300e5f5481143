import { PolycastError } from '@polycast/protocol';

/** `type/subtype` in lower case, and the charset if there is one. */
export interface MediaType {
  readonly essence: string;
  readonly charset: string | undefined;
}

/** Parses a `Content-Type`; `undefined` when it is invalid or absent. */
export function parseMediaType(header: string | undefined): MediaType | undefined {
  if (header === undefined) return undefined;
  const [essence = '', ...parameters] = header.split(';');
  const name = essence.trim().toLowerCase();
  if (!/^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(name)) return undefined;
  for (const parameter of parameters) {
    const [key = '', value = ''] = parameter.split('=');
    if (key.trim().toLowerCase() === 'charset')
      return { essence: name, charset: value.trim().replaceAll('"', '').toLowerCase() };
  }
  return { essence: name, charset: undefined };
}

/**
 * Rejects JSON with another charset than UTF-8: JSON is in UTF-8 (RFC 8259 section 8.1), and the
 * hub would decode it as such.
 * @throws PolycastError `unsupported_media_type`
 */
export function checkUtf8Json({ charset }: MediaType): void {
  if (isUtf8Charset(charset)) return;
  throw new PolycastError('unsupported_media_type', 'JSON must be in UTF-8.');
}

function isUtf8Charset(charset: string | undefined): boolean {
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
}

export function isJson({ essence }: MediaType): boolean {
  return essence === 'application/json' || essence.endsWith('+json');
}

/** Newline-delimited JSON, by one of its names. */
export function isJsonLines({ essence }: MediaType): boolean {
  return essence === 'application/x-ndjson' || essence === 'application/ndjson' || essence === 'application/jsonl';
}

/** Whether a body of this type, if it is in UTF-8, is stored as text (PROTOCOL.md section 8.3). */
export function isText({ essence, charset }: MediaType): boolean {
  if (!isUtf8Charset(charset)) return false;
  return essence.startsWith('text/') || TEXT_TYPES.has(essence) || essence.endsWith('+xml');
}

const TEXT_TYPES: ReadonlySet<string> = new Set([
  'application/x-www-form-urlencoded',
  'application/xml',
  'application/javascript',
  'application/yaml',
]);
