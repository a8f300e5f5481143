/** Of a media type with its parameters, in characters: what any header of any client has room for. */
export const MEDIA_TYPE_LENGTH_MAX = 255;

/**
 * RFC 9110 section 8.3.1: `type "/" subtype parameters`, in printable ASCII. `text/plain; charset="utf-8"` is one; `text/plain\nX: y` is none.
 */
const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const QUOTED = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"`;
// White space belongs to what follows it: so there is one way to read a text, and no time is lost on others.
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:[ \\t]*;(?:[ \\t]*${TOKEN}=(?:${TOKEN}|${QUOTED}))?)*[ \\t]*$`);

/** Whether a text can be written as a `Content-Type`. */
export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_LENGTH_MAX && MEDIA_TYPE.test(text);
}

/**
 * The `Content-Type` for stored data. Versions before stored whatever a publisher said: what cannot be written as a header goes out as
 * bytes of no known type, and holds up nothing.
 */
export function writableMediaType(stored: unknown): string {
  return typeof stored === 'string' && isMediaType(stored) ? stored : 'application/octet-stream';
}
