import { invalidMember } from '../refusals.ts';

/**
 * Rejects a body in which any object, at any depth, has two members of the same name. Parsers
 * differ in which of the two they use.
 * @param json valid JSON
 * @throws PolycastError `duplicate_member`
 */
export function checkUniqueMembers(json: string): void {
  const colon = json.indexOf(':');
  // Most bodies have one member.
  if (colon === json.lastIndexOf(':')) return;
  const name = findDuplicate(json);
  if (name === undefined) return;
  const member = name.slice(0, NAME_SHOWN_LENGTH);
  throw invalidMember('duplicate_member', member, `${JSON.stringify(member)} occurs twice.`);
}

const NAME_SHOWN_LENGTH = 64;
const QUOTE = 34;
const OPENING_BRACKET = 91;
const BACKSLASH = 92;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;
const COLON = /[ \t\r\n]*:/y;

/** The first member name that occurs twice in its object. */
function findDuplicate(json: string): string | undefined {
  const openContainers: (Set<string> | undefined)[] = [];
  for (let index = 0; index < json.length; index++) {
    switch (json.charCodeAt(index)) {
      case OPENING_BRACE:
        openContainers.push(new Set());
        break;
      case OPENING_BRACKET:
        openContainers.push(undefined);
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        openContainers.pop();
        break;
      case QUOTE: {
        const end = endOfString(json, index);
        const names = openContainers.at(-1);
        COLON.lastIndex = end + 1;
        if (names !== undefined && COLON.test(json)) {
          const name = JSON.parse(json.slice(index, end + 1)) as string;
          if (names.has(name)) return name;
          names.add(name);
        }
        index = end;
      }
    }
  }
  return undefined;
}

/** The index at which the string that begins at `index` ends. */
function endOfString(json: string, index: number): number {
  let at = index + 1;
  while (json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}
