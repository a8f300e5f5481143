import { encodeCursor } from '@polycast/protocol';
import { createHash } from 'node:crypto';
import type { StoredRecord } from '../../../core/ports.ts';
import { writableMediaType } from '../../../core/events/media-type.ts';
import type { BodyFormat } from '../../state/definition.ts';
import { attributeHeaders, percentEncoded, structuredEvent } from './cloudevents-format.ts';
import { eventMembers } from './event-members.ts';

/** The content of a webhook request (PROTOCOL.md section 14.3), made of the bytes of the log. */
export interface WebhookBody {
  /** `webhook-id`: the event's id. A batch has an id that no other set of events has. */
  readonly id: string;
  readonly contentType: string;
  /** Further headers about the event, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

export interface BodyOptions {
  readonly format: BodyFormat;
  /** Whether the body is a JSON array, even for a single event. */
  readonly isBatch: boolean;
  /** The log's epoch. */
  readonly epoch: string;
  /** Replaces the cursor as the id of an event that is in no log. */
  readonly idOverride?: string | undefined;
}

/** Body of one event, or of a batch of at least one. */
export function webhookBody(records: readonly StoredRecord[], options: BodyOptions): WebhookBody {
  const { format, isBatch } = options;
  if (isBatch) return batchOf(records, options);
  const record = records[0] as StoredRecord;
  const id = idOf(record, options);
  switch (format) {
    case 'event':
      return { id, contentType: 'application/json', headers: {}, bytes: envelope(id, record) };
    case 'data':
      return { id, headers: dataHeaders(record), ...dataOf(record) };
    case 'cloudevents':
      return { id, contentType: CLOUDEVENT, headers: {}, bytes: structuredEvent(id, record) };
    case 'cloudevents-binary':
      return binaryEvent(id, record);
  }
}

/** The event's data as published: bytes and their media type (PROTOCOL.md section 10.1). */
export function dataOf(record: Pick<StoredRecord, 'body'>): {
  readonly contentType: string;
  readonly bytes: Uint8Array;
} {
  const { text, value, isBase64 } = eventMembers(record);
  const named = text('datacontenttype');
  if (named === undefined && !isBase64) return { contentType: JSON_TYPE, bytes: value };
  const contentType = writableMediaType(named === undefined ? undefined : JSON.parse(named));
  const isText = value[0] === 34 && !IS_JSON.test(contentType);
  if (isBase64) return { contentType, bytes: Buffer.from(asText(value).slice(1, -1), 'base64') };
  return { contentType, bytes: isText ? Buffer.from(JSON.parse(asText(value)) as string) : value };
}

/**
 * Binary mode, unless the attributes exceed the headers that servers accept: then structured mode.
 * A CloudEvents receiver recognises the mode by the media type.
 */
function binaryEvent(id: string, record: StoredRecord): WebhookBody {
  const headers = attributeHeaders(id, record);
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + value.length + 4;
  if (bytes > ATTRIBUTES_BYTES_MAX)
    return { id, contentType: CLOUDEVENT, headers: {}, bytes: structuredEvent(id, record) };
  return { id, headers, ...dataOf(record) };
}

/** Size of one event's attributes as headers: half of the total that common servers accept. */
const ATTRIBUTES_BYTES_MAX = 4096;
const JSON_TYPE = 'application/json';
const CLOUDEVENT = 'application/cloudevents+json; charset=utf-8';
const CLOUDEVENT_BATCH = 'application/cloudevents-batch+json; charset=utf-8';
const IS_JSON = /^[^;]*[/+]json\s*(?:;|$)/i;

function idOf({ position }: StoredRecord, { epoch, idOverride }: BodyOptions): string {
  return idOverride ?? encodeCursor(epoch, position);
}

/** `{"id":"…",` followed by the stored bytes. Ids are ASCII. */
function envelope(id: string, { body }: StoredRecord): Buffer {
  const head = `{"id":"${id}",`;
  const bytes = Buffer.allocUnsafe(head.length + body.length);
  bytes.write(head, 'latin1');
  bytes.set(body, head.length);
  return bytes;
}

function dataHeaders({ channel, timeMs, type }: StoredRecord): Readonly<Record<string, string>> {
  const headers = { 'polycast-channel': channel, 'polycast-time': new Date(timeMs).toISOString() };
  return type === undefined ? headers : { ...headers, 'polycast-type': percentEncoded(type) };
}

function batchOf(records: readonly StoredRecord[], options: BodyOptions): WebhookBody {
  const { format } = options;
  const ids = records.map((record) => idOf(record, options));
  const items = records.map((record, index) => itemOf(format, ids[index] as string, record));
  const pieces = items.flatMap((item, index) => [index === 0 ? OPENING : COMMA, item]);
  return {
    id: `batch_${createHash('sha256').update(ids.join()).digest('base64url').slice(0, 22)}`,
    contentType: format === 'event' || format === 'data' ? JSON_TYPE : CLOUDEVENT_BATCH,
    headers: {},
    bytes: Buffer.concat([...pieces, CLOSING]),
  };
}

const OPENING = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSING = Buffer.from(']');

/** Text and base64 remain the JSON strings of the log. */
function itemOf(format: BodyFormat, id: string, record: StoredRecord): Uint8Array {
  if (format === 'event') return envelope(id, record);
  return format === 'data' ? eventMembers(record).value : structuredEvent(id, record);
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
