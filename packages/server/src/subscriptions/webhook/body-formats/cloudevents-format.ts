import type { StoredRecord } from '../../../core/ports.ts';
import { writableMediaType } from '../../../core/events/media-type.ts';
import { traceMembers } from '../../../core/events/trace-context.ts';
import { eventMembers, type EventMembers } from './event-members.ts';

/**
 * An event as a CloudEvent 1.0 in structured mode (PROTOCOL.md section 14.3). An event that was
 * published as a CloudEvent keeps its own attributes. Any other has the event's id as its id and
 * the channel as its source. The extensions `channel` and `cursor` are added.
 */
export function structuredEvent(id: string, record: StoredRecord): Uint8Array {
  const members = eventMembers(record);
  const attributes = Object.entries(attributesOf(id, record, members));
  const head = attributes.map(([name, value]) => `"${name}":${JSON.stringify(value)},`).join('');
  return Buffer.concat([Buffer.from(`{${head}`), members.content, CLOSING]);
}

/** An event in binary mode: the attributes as headers. The data is the body. */
export function attributeHeaders(id: string, record: StoredRecord): Readonly<Record<string, string>> {
  const { datacontenttype: _, ...attributes } = attributesOf(id, record, eventMembers(record));
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`ce-${name}`, percentEncoded(String(value))]),
  );
}

const CLOSING = Buffer.from('}');

type Attributes = Readonly<Record<string, string | number | boolean>>;

function attributesOf(
  id: string,
  { channel, type, timeMs, trace }: StoredRecord,
  { text, isBase64 }: EventMembers,
): Attributes {
  const kept = text('cloudevent');
  const mediaType = text('datacontenttype');
  return {
    specversion: '1.0',
    id,
    source: `/v1/channels/${channel}`,
    time: new Date(timeMs).toISOString(),
    channel,
    cursor: id,
    ...(kept === undefined ? {} : (JSON.parse(kept) as Attributes)),
    // "The trace information of the event" (CloudEvents, extension Distributed Tracing).
    ...(trace === undefined ? {} : traceMembers(trace)),
    // CloudEvents requires a type.
    type: type ?? 'polycast.event',
    datacontenttype:
      mediaType === undefined ? JSON_OR_BYTES[Number(isBase64)] : writableMediaType(JSON.parse(mediaType)),
  } as Attributes;
}

const JSON_OR_BYTES = ['application/json', 'application/octet-stream'];

/**
 * Encodes any text for a header (CloudEvents HTTP binding 1.0, section 3.1.3.2). It escapes
 * everything but printable ASCII, and also `"`, `%` and the space.
 */
export function percentEncoded(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]+/gu, (part) =>
    Buffer.from(part).toString('hex').toUpperCase().replace(/../g, '%$&'),
  );
}
