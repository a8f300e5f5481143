/**
 * Maximum length of a media type with its parameters, in characters. Any header of any client has
 * room for it.
 */
export const MEDIA_TYPE_LENGTH_MAX = 255;

/**
 * RFC 9110 section 8.3.1: `type "/" subtype parameters`, in printable ASCII. `text/plain;
 * charset="utf-8"` matches; `text/plain\nX: y` does not.
 */
const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const QUOTED = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"`;
// White space belongs to the text after it. So there is one way to match a text, and no time is
// lost on backtracking.
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:[ \\t]*;(?:[ \\t]*${TOKEN}=(?:${TOKEN}|${QUOTED}))?)*[ \\t]*$`);

/** Whether a text is valid as a `Content-Type`. */
export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_LENGTH_MAX && MEDIA_TYPE.test(text);
}

/**
 * The `Content-Type` for stored data. Earlier versions stored any text of a publisher. A text that
 * is not valid in a header becomes `application/octet-stream`, and blocks nothing.
 */
export function writableMediaType(stored: unknown): string {
  return typeof stored === 'string' && isMediaType(stored) ? stored : 'application/octet-stream';
}
