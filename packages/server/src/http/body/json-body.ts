import { PolycastError } from '@polycast/protocol';
import { checkUniqueMembers } from './duplicate-member.ts';
import { checkUtf8Json, parseMediaType } from './media-type.ts';
import { decodeUtf8 } from './request-body.ts';

/**
 * Parses a body as an object; an empty body is an empty object.
 * @throws PolycastError `invalid_json`, `duplicate_member`, `invalid_body`,
 * `unsupported_media_type`
 */
export function parseObject(bytes: Buffer, contentType: string | undefined): Readonly<Record<string, unknown>> {
  if (bytes.length === 0) return {};
  const mediaType = parseMediaType(contentType);
  if (mediaType?.essence !== 'application/json')
    throw new PolycastError('unsupported_media_type', 'Send the header "Content-Type: application/json".');
  checkUtf8Json(mediaType);
  const value = parseJson(decodeUtf8(bytes));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolycastError('invalid_body', 'The body must be a JSON object.');
  return value as Readonly<Record<string, unknown>>;
}

function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PolycastError('invalid_json');
  }
  checkUniqueMembers(text);
  return value;
}
