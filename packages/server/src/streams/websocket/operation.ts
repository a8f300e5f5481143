import { JSON_DEPTH_MAX, JsonScanner, PolycastError, type ClientMessage, type Ref } from '@polycast/protocol';
import { OWN_CHANNEL_ALIAS } from '../../core/access/private-channel.ts';
import { invalidMessage } from '../../http/refusals.ts';
import { checkUniqueMembers } from '../../http/body/duplicate-member.ts';
import { checkPattern } from '../events-query.ts';

/**
 * An operation: an object with a known `op` and a valid `ref`. Its other members are unchecked.
 * Example: `{"op":"subscribe","ref":1,"channels":["news"]}`.
 */
export interface Operation {
  readonly op: ClientMessage['op'];
  readonly ref: Ref | undefined;
  readonly members: Readonly<Record<string, unknown>>;
}

const REF_LENGTH_MAX = 64;
const OPERATIONS: ReadonlySet<unknown> = new Set<ClientMessage['op']>([
  'subscribe',
  'unsubscribe',
  'publish',
  'auth',
  'ping',
  'pull',
  'credit',
  'ack',
  'nack',
  'extend',
]);
/** The data of an operation is one level below the message. */
const operationScanner = new JsonScanner(JSON_DEPTH_MAX + 1);

/** @throws PolycastError `invalid_message`, `invalid_json`, `duplicate_member` */
export function parseOperation(text: string): Operation {
  operationScanner.reset(text);
  if (!operationScanner.skipValue() || !operationScanner.atEnd())
    throw new PolycastError(operationScanner.errorCode, undefined, { offset: operationScanner.index });
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolycastError('invalid_message', 'An operation is a JSON object.');
  const members = value as Record<string, unknown>;
  const { op, ref } = members;
  if (!OPERATIONS.has(op)) throw invalidMessage('op', `must be one of ${[...OPERATIONS].join(', ')}`);
  const refIsValid =
    ref === undefined ||
    (typeof ref === 'string' ? ref.length <= REF_LENGTH_MAX : typeof ref === 'number' && Number.isFinite(ref));
  if (!refIsValid) throw invalidMessage('ref', `must be a number or a string of at most ${REF_LENGTH_MAX} characters`);
  // The parser of `publish` checks the members itself, where it leaves the data as it is.
  if (op !== 'publish') checkUniqueMembers(text);
  return { op: op as ClientMessage['op'], ref: ref as Ref | undefined, members };
}

/** The channels and patterns that an operation names, each once. @throws PolycastError */
export function patternsOf({ members: { channels } }: Operation): readonly string[] {
  const isList =
    Array.isArray(channels) && channels.length > 0 && channels.every((channel) => typeof channel === 'string');
  if (!isList) throw invalidMessage('channels', 'must be an array of channels and patterns');
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL_ALIAS ? channel : checkPattern(channel))))];
}
