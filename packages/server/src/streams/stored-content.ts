import { JsonScanner, decodeStringToken } from '@polycast/protocol';
import { writableMediaType } from '../core/events/media-type.ts';

const scanner = new JsonScanner();

/**
 * A stored event's data as it was published: bytes and their media type (PROTOCOL.md section 10.1).
 */
export function storedContent(body: Uint8Array): { readonly mediaType: string; readonly bytes: Uint8Array } {
  const text = '{' + Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const members = membersOf(text);
  const contentTypeToken = members.get('datacontenttype');
  const stored = contentTypeToken?.startsWith('"') === true ? decodeStringToken(contentTypeToken) : '';
  const mediaType = contentTypeToken === undefined ? 'application/json' : writableMediaType(stored);
  const base64 = members.get('data_base64');
  if (base64 !== undefined) return { mediaType, bytes: Buffer.from(decodeStringToken(base64), 'base64') };
  const data = members.get('data') ?? 'null';
  const isJson = contentTypeToken === undefined || /^[^;]*[/+]json\s*(?:;|$)/i.test(mediaType);
  return { mediaType, bytes: Buffer.from(isJson || !data.startsWith('"') ? data : decodeStringToken(data)) };
}

/** The top-level members of a valid object, as JSON texts. */
function membersOf(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  scanner.reset(text, 1);
  do {
    scanner.peek();
    const nameStart = scanner.index;
    scanner.skipString();
    const name = text.slice(nameStart + 1, scanner.index - 1);
    scanner.consume(58);
    scanner.peek();
    const start = scanner.index;
    scanner.skipValue();
    members.set(name, text.slice(start, scanner.index));
  } while (scanner.consume(44));
  return members;
}
