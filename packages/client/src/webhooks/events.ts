import type { PolycastEvent } from '@polycast/protocol';
import { WebhookError } from './error.ts';
import { headerOf, type HeaderSource } from './headers.ts';

/**
 * Reads the events of a request. It knows the formats of subscriptions (PROTOCOL.md section 14.3):
 * events as in the log, CloudEvents, or the data alone.
 * @throws WebhookError `invalid_body`
 */
export function eventsOf(body: Uint8Array, headers: HeaderSource, { id }: { readonly id: string }): PolycastEvent[] {
  const mediaType = (headerOf(headers, 'content-type') ?? 'application/json').toLowerCase();
  if (headerOf(headers, 'ce-specversion') !== undefined) return [binaryCloudEvent(body, mediaType, headers)];
  const channel = headerOf(headers, 'polycast-channel');
  if (channel !== undefined) {
    const known = { id, channel, time: headerOf(headers, 'polycast-time') ?? '' };
    const type = headerOf(headers, 'polycast-type');
    return [{ ...known, ...(type !== undefined && { type: percentDecoded(type) }), ...contentOf(body, mediaType) }];
  }
  const parsed = jsonOf(body);
  const list = (Array.isArray(parsed) ? parsed : [parsed]) as Record<string, unknown>[];
  return mediaType.startsWith('application/cloudevents') ? list.map(fromCloudEvent) : list.map(envelope);
}

function envelope(value: Record<string, unknown> | null): PolycastEvent {
  if (typeof value?.['id'] === 'string' && typeof value['channel'] === 'string')
    return value as unknown as PolycastEvent;
  throw new WebhookError(
    'invalid_body',
    'the body contains no event: with the format `data`, a batch does not have the members of events',
  );
}

function fromCloudEvent(value: Record<string, unknown> | null): PolycastEvent {
  if (typeof value?.['id'] !== 'string') throw new WebhookError('invalid_body', 'the body contains no CloudEvent');
  const { id, cursor, channel, subject, type, time, datacontenttype, data, data_base64, ...cloudevent } = value;
  return {
    // An event that was published as a CloudEvent has the id of its publisher.
    id: cursor ?? id,
    channel: channel ?? subject ?? '',
    type,
    time: time ?? '',
    ...(datacontenttype !== undefined && !isJson(String(datacontenttype)) && { datacontenttype }),
    cloudevent: { id, ...cloudevent, ...(subject !== undefined && { subject }) },
    ...(data_base64 === undefined ? { data } : { data_base64 }),
  } as unknown as PolycastEvent;
}

function binaryCloudEvent(body: Uint8Array, mediaType: string, headers: HeaderSource): PolycastEvent {
  const attributes = ATTRIBUTES.map((name) => [name, headerOf(headers, `ce-${name}`)] as const);
  const given = attributes.filter(([, value]) => value !== undefined);
  const event = Object.fromEntries(given.map(([name, value]) => [name, percentDecoded(value as string)]));
  return fromCloudEvent({ ...event, ...contentOf(body, mediaType) });
}

const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'channel', 'cursor', 'dataschema'];

/**
 * As in the log: JSON and text become `data`, other types `data_base64` (PROTOCOL.md section 8.3).
 */
function contentOf(
  body: Uint8Array,
  mediaType: string,
): Pick<PolycastEvent, 'data' | 'data_base64' | 'datacontenttype'> {
  if (isJson(mediaType)) return { data: jsonOf(body) };
  if (/^text\/|[/+]xml\b|^application\/x-www-form-urlencoded/.test(mediaType))
    return { datacontenttype: mediaType, data: new TextDecoder().decode(body) };
  let binary = '';
  for (const byte of body) binary += String.fromCharCode(byte);
  return { datacontenttype: mediaType, data: undefined, data_base64: btoa(binary) };
}

function isJson(mediaType: string): boolean {
  return /^[^;]*[/+]json\s*(?:;|$)/i.test(mediaType);
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new WebhookError('invalid_body', 'the body is not valid JSON, as its media type requires');
  }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
