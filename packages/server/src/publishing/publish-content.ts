import { isUtf8 } from 'node:buffer';
import { JsonScanner, jsonError, PolycastError, withoutLineBreaks } from '@polycast/protocol';
import { isMediaType, MEDIA_TYPE_LENGTH_MAX } from '../core/events/media-type.ts';
import { checkUtf8Json, isJson, isText, parseMediaType } from '../http/body/media-type.ts';
import { decodeUtf8 } from '../http/body/request-body.ts';

const scanner = new JsonScanner();

/**
 * Converts a body of any media type to the members of an event (PROTOCOL.md section 8.3).
 * @throws PolycastError `invalid_json`, `json_too_deep`, `invalid_utf8`, `unsupported_media_type`
 */
export function eventContent(body: Buffer, contentType: string | undefined): string {
  if (contentType === 'application/json') return `"data":${checkJson(decodeUtf8(body))}`;
  const mediaType =
    contentType === undefined
      ? { essence: 'application/octet-stream', charset: undefined }
      : parseMediaType(contentType);
  if (mediaType === undefined || (contentType !== undefined && !isMediaType(contentType)))
    throw new PolycastError('unsupported_media_type', NO_MEDIA_TYPE);
  if (isJson(mediaType)) {
    checkUtf8Json(mediaType);
    const data = `"data":${checkJson(decodeUtf8(body))}`;
    return mediaType.essence === 'application/json' ? data : `"datacontenttype":${JSON.stringify(contentType)},${data}`;
  }
  const contentTypeMember = `"datacontenttype":${JSON.stringify(contentType ?? mediaType.essence)}`;
  if (isText(mediaType) && isUtf8(body)) return `${contentTypeMember},"data":${JSON.stringify(body.toString('utf8'))}`;
  return `${contentTypeMember},"data_base64":"${body.toString('base64')}"`;
}

const NO_MEDIA_TYPE = `Content-Type is not a media type of at most ${MEDIA_TYPE_LENGTH_MAX} characters.`;

/**
 * Checks that a text is one JSON value, and returns it without line breaks and surrounding space.
 * @throws PolycastError `invalid_json`, `json_too_deep`
 */
export function checkJson(text: string): string {
  scanner.reset(text);
  if (!scanner.skipValue() || !scanner.atEnd()) throw jsonError(scanner);
  const json = text.trim();
  return scanner.sawLineBreak ? withoutLineBreaks(json) : json;
}
