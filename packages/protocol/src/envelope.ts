import { isChannel } from './channel.ts';
import { PolycastError } from './errors.ts';
import { decodeStringToken, withoutLineBreaks, type JsonScanner } from './json-scanner.ts';

/**
 * An envelope: the checked members that a publisher sent for one event (PROTOCOL.md section 8.1).
 * Its data is still the text as sent. For example,
 * `{"channel":"orders.42","type":"order.baked","data":{"state":"baked"}}`.
 */
export interface Envelope {
  channel: string | undefined;
  type: string | undefined;
  idempotencyKey: string | undefined;
  ifMatch: string | undefined;
  /** The trace context of the publisher (section 8.7), unchecked. */
  traceparent: string | undefined;
  tracestate: string | undefined;
  /** JSON without line breaks. */
  data: string;
  /** The JSON of further allowed members, by name; `undefined` when there are none. */
  extraMembers: Map<string, string> | undefined;
}

/** The longest type and the longest idempotency key, in characters. */
export const TYPE_LENGTH_MAX = 200;
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** The default: no further members are allowed. */
const NO_MEMBERS: ReadonlySet<string> = new Set();

/**
 * Reads one envelope object at the scanner's index, and leaves the index directly behind it.
 * @param extraMembersAllowed further members that the envelope may have, such as `op` and `ref` of
 * a WebSocket operation
 * @throws PolycastError `invalid_json`, `json_too_deep`, `duplicate_member`, `invalid_event`,
 * `invalid_channel`
 */
export function scanEnvelope(scanner: JsonScanner, extraMembersAllowed: ReadonlySet<string> = NO_MEMBERS): Envelope {
  const envelope: Envelope = {
    channel: undefined,
    type: undefined,
    idempotencyKey: undefined,
    ifMatch: undefined,
    traceparent: undefined,
    tracestate: undefined,
    data: '',
    extraMembers: undefined,
  };
  if (!scanner.consume(123)) {
    // Not an object: distinguish valid JSON from invalid JSON.
    throw scanner.skipValue() ? new PolycastError('invalid_event', 'An event is a JSON object.') : jsonError(scanner);
  }
  if (!scanner.consume(125)) scanMembers(scanner, envelope, extraMembersAllowed);
  if (envelope.data === '') throw new PolycastError('invalid_event', '"data" is missing.', { member: 'data' });
  return envelope;
}

/** Makes the error of the scanner, with the offset. */
export function jsonError(scanner: JsonScanner): PolycastError {
  return new PolycastError(scanner.errorCode, undefined, { offset: scanner.index });
}

/** @throws PolycastError `invalid_event` for a type that is empty or too long */
export function checkType(type: string): string {
  if (type.length >= 1 && type.length <= TYPE_LENGTH_MAX) return type;
  throw new PolycastError('invalid_event', `"type" must have 1 to ${TYPE_LENGTH_MAX} characters.`, { member: 'type' });
}

/** @throws PolycastError `invalid_channel` */
export function checkChannel(channel: string): string {
  if (isChannel(channel)) return channel;
  throw new PolycastError(
    'invalid_channel',
    `${quoted(channel)} is not a channel name: tokens of A-Z a-z 0-9 _ - joined by dots, at most 200 characters.`,
  );
}

function scanMembers(scanner: JsonScanner, envelope: Envelope, extraMembersAllowed: ReadonlySet<string>): void {
  let seenMembers = 0;
  do {
    if (scanner.peek() !== 34) throw jsonError(scanner);
    const nameStart = scanner.index;
    if (!scanner.skipString()) throw jsonError(scanner);
    const name = decodeStringToken(scanner.text.slice(nameStart, scanner.index));
    if (!scanner.consume(58)) throw jsonError(scanner);
    const bit = memberBit(name);
    if (bit !== 0 && (seenMembers & bit) !== 0)
      throw new PolycastError('duplicate_member', `"${name}" occurs twice.`, { member: name });
    seenMembers |= bit;
    scanMember(scanner, envelope, name, extraMembersAllowed);
  } while (scanner.consume(44));
  if (!scanner.consume(125)) throw jsonError(scanner);
}

function scanMember(
  scanner: JsonScanner,
  envelope: Envelope,
  name: string,
  extraMembersAllowed: ReadonlySet<string>,
): void {
  switch (name) {
    case 'data':
      envelope.data = scanData(scanner);
      return;
    case 'channel':
      envelope.channel = checkChannel(scanString(scanner, name));
      return;
    case 'type':
      envelope.type = checkType(scanString(scanner, name));
      return;
    case 'idempotencyKey':
      envelope.idempotencyKey = checkIdempotencyKey(scanString(scanner, name));
      return;
    case 'ifMatch':
      envelope.ifMatch = scanString(scanner, name);
      return;
    case 'traceparent':
      envelope.traceparent = scanString(scanner, name);
      return;
    case 'tracestate':
      envelope.tracestate = scanString(scanner, name);
      return;
    default:
      if (!extraMembersAllowed.has(name))
        throw new PolycastError('invalid_event', `${quoted(name)} is not a member of an event.`, {
          member: name.slice(0, 64),
        });
      scanExtraMember(scanner, envelope, name);
  }
}

function scanExtraMember(scanner: JsonScanner, envelope: Envelope, name: string): void {
  scanner.peek();
  const start = scanner.index;
  if (!scanner.skipValue()) throw jsonError(scanner);
  // The caller reads the members `op` and `ref` itself.
  if (memberBit(name) !== 0) return;
  if (envelope.extraMembers?.has(name) === true)
    throw new PolycastError('duplicate_member', `"${name}" occurs twice.`, { member: name });
  (envelope.extraMembers ??= new Map()).set(name, scanner.text.slice(start, scanner.index));
}

/** @throws PolycastError `invalid_event` for a key that is empty or too long */
export function checkIdempotencyKey(key: string): string {
  if (key.length >= 1 && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX) return key;
  throw new PolycastError('invalid_event', `An idempotency key has 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters.`, {
    member: 'idempotencyKey',
  });
}

/** Skips one JSON value and returns its text, without line breaks. */
function scanData(scanner: JsonScanner): string {
  scanner.peek();
  const start = scanner.index;
  scanner.sawLineBreak = false;
  if (!scanner.skipValue()) throw jsonError(scanner);
  const json = scanner.text.slice(start, scanner.index);
  return scanner.sawLineBreak ? withoutLineBreaks(json) : json;
}

function scanString(scanner: JsonScanner, name: string): string {
  if (scanner.peek() !== 34) {
    throw scanner.skipValue()
      ? new PolycastError('invalid_event', `"${name}" must be a string.`, { member: name })
      : jsonError(scanner);
  }
  const start = scanner.index;
  if (!scanner.skipString()) throw jsonError(scanner);
  const value = decodeStringToken(scanner.text.slice(start, scanner.index));
  if (!value.isWellFormed())
    throw new PolycastError('invalid_event', `"${name}" contains half a surrogate pair.`, { member: name });
  return value;
}

function memberBit(name: string): number {
  switch (name) {
    case 'data':
      return 1;
    case 'channel':
      return 2;
    case 'type':
      return 4;
    case 'idempotencyKey':
      return 8;
    case 'ifMatch':
      return 16;
    case 'op':
      return 32;
    case 'ref':
      return 64;
    case 'traceparent':
      return 128;
    case 'tracestate':
      return 256;
    default:
      return 0;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? text.slice(0, 64) + '…' : text);
}
