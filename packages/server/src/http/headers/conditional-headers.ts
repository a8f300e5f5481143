/**
 * The value of `If-Match` or `If-None-Match`: `*`, or entity tags without quotes and `W/` (RFC 9110
 * section 13.1).
 */
export type EntityTags = '*' | readonly string[];

const SINGLE_TAG = /^(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;
const NEXT_TAG = /[ \t,]*(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$)/y;

/** Parses a conditional header. A value without quotes is one tag; a malformed list has no tags. */
export function parseEntityTags(header: string): EntityTags {
  const one = SINGLE_TAG.exec(header)?.[1];
  if (one !== undefined) return [one];
  const text = header.trim();
  if (text === '*') return '*';
  return text.includes('"') ? parseTagList(text) : [text];
}

/**
 * Whether a conditional header names this entity tag, by the weak comparison.
 * @param tag with its quotes
 */
export function includesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  // The most frequent case.
  if (header === tag) return true;
  const tags = parseEntityTags(header);
  return tags === '*' || tags.includes(SINGLE_TAG.exec(tag)?.[1] as string);
}

function parseTagList(text: string): readonly string[] {
  const tags: string[] = [];
  NEXT_TAG.lastIndex = 0;
  while (NEXT_TAG.lastIndex < text.length) {
    const tag = NEXT_TAG.exec(text)?.[1];
    if (tag === undefined) return [];
    tags.push(tag);
  }
  return tags;
}
