import { isUtf8 } from 'node:buffer';

/** A parsed JSON object. Its members may have any type. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a JSON object. Returns `undefined` for bytes that are not UTF-8, not JSON, not an object,
 * nested more than 16 deep, or have a duplicate member anywhere. Two parsers must not see different
 * values in the same text. Example: `{"sub":"ada","sub":"bo"}` is refused.
 *
 * For the same reason no name may begin with an escape. V8's `JSON.parse` reads such a name as a
 * single backslash in an object of a shape that had that name before.
 */
export function parseStrictObject(bytes: Buffer): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString();
  const { depth, members, hasEscapedName } = shapeOf(text);
  if (depth > DEPTH_MAX || hasEscapedName) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(value) && members === membersOf(value) ? value : undefined;
}

const DEPTH_MAX = 16;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Counts the members of a parsed value. Of duplicates in the text, `JSON.parse` has left the last
 * one only.
 */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const values = Object.values(value);
  let count = Array.isArray(value) ? 0 : values.length;
  for (const each of values) count += membersOf(each);
  return count;
}

const QUOTE = 34;
const COLON = 58;
const OPENING_BRACKET = 91;
const BACKSLASH = 92;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

interface Shape {
  readonly depth: number;
  readonly members: number;
  /** Whether the name of a member begins with a backslash. */
  readonly hasEscapedName: boolean;
}

/**
 * Measures valid JSON: its depth, and its number of members. Each member has a colon, and there is
 * no other colon outside of strings.
 */
function shapeOf(json: string): Shape {
  let members = 0;
  let isEscaped = false;
  let hasEscapedName = false;
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < json.length; index++) {
    switch (json.charCodeAt(index)) {
      case QUOTE:
        isEscaped = json.charCodeAt(index + 1) === BACKSLASH;
        index = stringEnd(json, index);
        break;
      case COLON:
        // The string before the colon is the name.
        hasEscapedName ||= isEscaped;
        members++;
        break;
      case OPENING_BRACE:
      case OPENING_BRACKET:
        if (++depth > deepest) deepest = depth;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth--;
    }
  }
  return { depth: deepest, members, hasEscapedName };
}

/** Returns the index of the quote that ends the string from `index` on. */
function stringEnd(json: string, index: number): number {
  let at = index + 1;
  while (at < json.length && json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}
