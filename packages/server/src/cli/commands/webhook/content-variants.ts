/**
 * A variant: a value that may have been signed instead of the received one, with the description of
 * the difference. For example, the body without its final line break.
 */
export interface Variant<Value> {
  readonly value: Value;
  readonly problem: string;
}

/** The changes of a body by proxies, frameworks and editors. */
export function bodyVariants(body: Buffer): Variant<Buffer>[] {
  const text = body.toString('utf8');
  const variants: [value: string | Buffer, problem: string][] = [
    [
      text.replace(/\r?\n$/, ''),
      'the body has a line break at its end that was not signed: an editor or echo adds one',
    ],
    [`${text}\n`, 'the body lacks the line break at its end that was signed'],
    [`${text}\r\n`, 'the body lacks the line break at its end that was signed'],
    [text.replaceAll('\r\n', '\n'), 'the line breaks in the body were turned from LF into CRLF'],
    [
      text.replaceAll('\r\n', '\n').replaceAll('\n', '\r\n'),
      'the line breaks in the body were turned from CRLF into LF',
    ],
    [text.replace(/^\uFEFF/, ''), 'the body begins with a byte order mark that was not signed'],
    [text.trim(), 'the body has spaces around it that were not signed'],
    [Buffer.from(text, 'latin1'), 'the body was read as Latin-1 and written as UTF-8'],
    ...jsonVariants(text),
    ['', 'the signature is of an empty body: other code consumed the body before the check or the signature'],
  ];
  return variants
    .map(([value, problem]) => ({ value: Buffer.from(value), problem }))
    .filter(({ value }) => !value.equals(body));
}

/** The same JSON as common libraries write it. */
function jsonVariants(text: string): [value: string, problem: string][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const rewritten = (how: string): string =>
    `the body was parsed and serialised again after it was signed; the signed body is ${how}`;
  const compact = JSON.stringify(value);
  const spaced = JSON.stringify(value, undefined, 1)
    .replaceAll(/\n */g, ' ')
    .replaceAll(/([[{]) | ([\]}])/g, '$1$2');
  return [
    [compact, rewritten('the same JSON without spaces')],
    [asciiOnly(compact), rewritten('the same JSON without spaces, and with \\u for other characters than ASCII')],
    [spaced, rewritten('the same JSON with a space after each comma and colon')],
    [
      asciiOnly(spaced),
      rewritten('the same JSON with a space after each comma and colon, and with \\u for other characters than ASCII'),
    ],
    [asciiOnly(compact).replaceAll('/', '\\/'), rewritten('the same JSON as PHP writes it')],
    [JSON.stringify(value, undefined, 2), rewritten('the same JSON indented by two spaces')],
    [JSON.stringify(value, undefined, 4), rewritten('the same JSON indented by four spaces')],
    [JSON.stringify(value, undefined, '\t'), rewritten('the same JSON indented by tabs')],
    [JSON.stringify(sorted(value)), rewritten('the same JSON with its members sorted')],
    ...(typeof value === 'string'
      ? [[value, 'the body was turned into a JSON string after it was signed'] as [string, string]]
      : []),
    [JSON.stringify(text), 'the signed body is a JSON string of this body: it was encoded twice'],
  ];
}

function asciiOnly(json: string): string {
  return json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}

/** Ids that a sender may have signed instead, or that a copy may have changed. */
export function idVariants(id: string, body: Buffer): Variant<string>[] {
  const inside = idsIn(body).map((each) => [
    each,
    `the id is wrong: it was signed for ${each}, which the body has, and webhook-id is ${id}`,
  ]);
  const others: string[][] = [
    ...inside,
    [id.trim(), 'webhook-id has spaces around it that were not signed'],
    ['', `the id is wrong: it was signed without an id, and webhook-id is ${id}`],
    [id.toLowerCase(), 'the id is wrong: it was signed in lower case'],
    [id.replace(/^(?:msg|evt)_/, ''), `the id is wrong: it was signed without the prefix of ${id}`],
    [`msg_${id}`, `the id is wrong: it was signed as msg_${id}`],
  ];
  return others.map(([value = '', problem = '']) => ({ value, problem })).filter(({ value }) => value !== id);
}

function idsIn(body: Buffer): string[] {
  try {
    const value = JSON.parse(body.toString('utf8')) as unknown;
    const all = [value].flat() as ({ id?: unknown; data?: { id?: unknown } } | null)[];
    return all.flatMap((each) => [each?.id, each?.data?.id]).filter((each) => typeof each === 'string');
  } catch {
    return [];
  }
}

/**
 * The range of the search around the received time, in seconds. For a longer body than this bound
 * the search costs too much.
 */
const SECONDS_AROUND = 600;
const BODY_BYTES_SEARCHED_MAX = 64 * 1024;

export function timestampVariants(timestamp: string, bodyBytes: number): Variant<string>[] {
  const time = Number(timestamp);
  const wrong = (value: string): string =>
    `the time is wrong: it was signed for ${value}, and webhook-timestamp is ${timestamp}`;
  const variants: Variant<string>[] = [];
  if (Number.isFinite(time)) {
    const seconds = String(Math.floor(time / 1000));
    variants.push({ value: seconds, problem: `${wrong(seconds)}, in milliseconds: it should be in seconds` });
    variants.push({ value: `${timestamp}000`, problem: `${wrong(`${timestamp}000`)}: it was signed in milliseconds` });
  } else {
    const parsed = Date.parse(timestamp) / 1000;
    const seconds = String(Math.floor(parsed));
    variants.push({
      value: seconds,
      problem: `${wrong(seconds)}, which is a date: it should be in seconds since 1970`,
    });
  }
  if (!/^\d{1,12}$/.test(timestamp) || bodyBytes > BODY_BYTES_SEARCHED_MAX) return variants;
  for (let distance = 1; distance <= SECONDS_AROUND; distance++) {
    for (const value of [String(time - distance), String(time + distance)])
      variants.push({ value, problem: wrong(value) });
  }
  return variants;
}
