import type { StoredRecord } from '../../../core/ports.ts';

/**
 * The places of a stored event's members in its bytes (PROTOCOL.md section 3.1). The parser stops
 * at the data, which is the last member, so the data passes through unparsed.
 */
export interface EventMembers {
  /** The member's JSON, as stored. */
  text(name: 'time' | 'user' | 'origin' | 'datacontenttype' | 'cloudevent'): string | undefined;
  /** `"data":…` or `"data_base64":…`, without the closing brace of the event. */
  readonly content: Uint8Array;
  /** The JSON of the data, or the JSON string of its base64. */
  readonly value: Uint8Array;
  readonly isBase64: boolean;
}

const DATA = Buffer.from('data');
const DATA_BASE64 = Buffer.from('data_base64');

/** @throws Error if a record contains no data; every event that the hub has stored contains it */
export function eventMembers({ body }: Pick<StoredRecord, 'body'>): EventMembers {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const found = new Map<string, readonly [start: number, end: number]>();
  let at = 0;
  while (at < bytes.length) {
    const nameStart = at;
    const valueStart = stringEnd(bytes, at) + 1;
    const name = bytes.subarray(nameStart + 1, valueStart - 2);
    const isBase64 = name.equals(DATA_BASE64);
    if (isBase64 || name.equals(DATA)) {
      const end = bytes.length - 1;
      return {
        text: (wanted) => {
          const place = found.get(wanted);
          return place === undefined ? undefined : bytes.toString('utf8', ...place);
        },
        content: bytes.subarray(nameStart, end),
        value: bytes.subarray(valueStart, end),
        isBase64,
      };
    }
    const valueEnd = endOfValue(bytes, valueStart);
    found.set(name.toString('latin1'), [valueStart, valueEnd]);
    at = valueEnd + 1;
  }
  throw new Error('the record holds no data');
}

/** The index after a string. `start` is the index of its opening quotation mark. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== 34) at += bytes[at] === 92 ? 2 : 1;
  return at + 1;
}

/**
 * The index after a value: a string, a number, a boolean, or an object of these. No other kind of
 * member precedes the data.
 */
function endOfValue(bytes: Buffer, start: number): number {
  if (bytes[start] === 34) return stringEnd(bytes, start);
  let at = start;
  const isObject = bytes[start] === 123;
  const end = isObject ? 125 : 44;
  while (at < bytes.length && bytes[at] !== end) at = bytes[at] === 34 ? stringEnd(bytes, at) : at + 1;
  return isObject ? at + 1 : at;
}
