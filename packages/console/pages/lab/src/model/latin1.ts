const utf8 = new TextDecoder();

/** Decodes UTF-8 from bytes that are stored as one character each. */
export function textOf(bytes: string): string {
  return utf8.decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}
