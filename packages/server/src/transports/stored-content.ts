import { JsonScanner, stringValue } from '@polycast/protocol';
import { writableMediaType } from '../core/media-type.ts';

const scanner = new JsonScanner();

/** A stored event's data as it was published: bytes and their media type (PROTOCOL.md section 10.1). */
export function storedContent(body: Uint8Array): { readonly mediaType: string; readonly bytes: Uint8Array } {
  const text = '{' + Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const members = membersOf(text);
  const named = members.get('datacontenttype');
  const stored = named?.startsWith('"') === true ? stringValue(named) : '';
  const mediaType = named === undefined ? 'application/json' : writableMediaType(stored);
  const base64 = members.get('data_base64');
  if (base64 !== undefined) return { mediaType, bytes: Buffer.from(stringValue(base64), 'base64') };
  const data = members.get('data') ?? 'null';
  const isJson = named === undefined || /^[^;]*[/+]json\s*(?:;|$)/i.test(mediaType);
  return { mediaType, bytes: Buffer.from(isJson || !data.startsWith('"') ? data : stringValue(data)) };
}

/** The top-level members of an object that is known to be valid, as texts. */
function membersOf(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  scanner.begin(text, 1);
  do {
    scanner.peek();
    const nameStart = scanner.index;
    scanner.string();
    const name = text.slice(nameStart + 1, scanner.index - 1);
    scanner.take(58);
    scanner.peek();
    const start = scanner.index;
    scanner.value();
    members.set(name, text.slice(start, scanner.index));
  } while (scanner.take(44));
  return members;
}
