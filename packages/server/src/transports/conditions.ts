/** What `If-Match` or `If-None-Match` names: whatever there is, or entity tags, without quotes and `W/` (RFC 9110 section 13.1). */
export type Tags = '*' | readonly string[];

const ONE = /^(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;
const NEXT = /[ \t,]*(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$)/y;

/** What a conditional header names. One without quotes is a single tag as it stands; one that is of no form names nothing. */
export function tagsIn(header: string): Tags {
  const one = ONE.exec(header)?.[1];
  if (one !== undefined) return [one];
  const text = header.trim();
  if (text === '*') return '*';
  return text.includes('"') ? listed(text) : [text];
}

/** Whether a conditional header names this entity tag, by the weak comparison. @param tag with its quotes */
export function namesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  // What is sent most.
  if (header === tag) return true;
  const tags = tagsIn(header);
  return tags === '*' || tags.includes(ONE.exec(tag)?.[1] as string);
}

function listed(text: string): readonly string[] {
  const tags: string[] = [];
  NEXT.lastIndex = 0;
  while (NEXT.lastIndex < text.length) {
    const tag = NEXT.exec(text)?.[1];
    if (tag === undefined) return [];
    tags.push(tag);
  }
  return tags;
}
