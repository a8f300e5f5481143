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
  if (options.isBatch) return batchOf(records, options);
  const record = records[0] as StoredRecord;
  return FORMATS[options.format].single(idOf(record, options), record);
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
  return bytes > ATTRIBUTES_BYTES_MAX ? structuredBody(id, record) : { id, headers, ...dataOf(record) };
}

function structuredBody(id: string, record: StoredRecord): WebhookBody {
  return { id, contentType: CLOUDEVENT, headers: {}, bytes: structuredEvent(id, record) };
}

/** Size of one event's attributes as headers: half of the total that common servers accept. */
const ATTRIBUTES_BYTES_MAX = 4096;
const JSON_TYPE = 'application/json';
const CLOUDEVENT = 'application/cloudevents+json; charset=utf-8';
const CLOUDEVENT_BATCH = 'application/cloudevents-batch+json; charset=utf-8';
const IS_JSON = /^[^;]*[/+]json\s*(?:;|$)/i;

interface Format {
  /** The body of one event. */
  readonly single: (id: string, record: StoredRecord) => WebhookBody;
  /** One event in a batch, which is a JSON array. */
  readonly item: (id: string, record: StoredRecord) => Uint8Array;
  /** The media type of a batch. */
  readonly batchType: string;
}

/** How the body of each format is made. */
const FORMATS: Readonly<Record<BodyFormat, Format>> = {
  event: {
    single: (id, record) => ({ id, contentType: JSON_TYPE, headers: {}, bytes: envelope(id, record) }),
    item: envelope,
    batchType: JSON_TYPE,
  },
  data: {
    single: (id, record) => ({ id, headers: dataHeaders(record), ...dataOf(record) }),
    // Text and base64 remain the JSON strings of the log.
    item: (_id, record) => eventMembers(record).value,
    batchType: JSON_TYPE,
  },
  cloudevents: { single: structuredBody, item: structuredEvent, batchType: CLOUDEVENT_BATCH },
  'cloudevents-binary': { single: binaryEvent, item: structuredEvent, batchType: CLOUDEVENT_BATCH },
};

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
  const { item, batchType } = FORMATS[options.format];
  const ids = records.map((record) => idOf(record, options));
  const items = records.map((record, index) => item(ids[index] as string, record));
  const pieces = items.flatMap((item, index) => [index === 0 ? OPENING : COMMA, item]);
  return {
    id: `batch_${createHash('sha256').update(ids.join()).digest('base64url').slice(0, 22)}`,
    contentType: batchType,
    headers: {},
    bytes: Buffer.concat([...pieces, CLOSING]),
  };
}

const OPENING = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSING = Buffer.from(']');

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
