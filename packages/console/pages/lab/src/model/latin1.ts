const utf8 = new TextDecoder();

/** The UTF-8 text of bytes that came one a character. */
export function textOf(bytes: string): string {
  return utf8.decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}
