import {
  checkType,
  isChannel,
  JSON_DEPTH_MAX,
  JsonScanner,
  jsonError,
  PolycastError,
  decodeStringToken,
  withoutLineBreaks,
} from '@polycast/protocol';
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isMediaType, MEDIA_TYPE_LENGTH_MAX } from '../core/events/media-type.ts';
import { parseTraceContext } from '../core/events/trace-context.ts';
import type { PublishRequest } from '../core/publish.ts';
import { bytesOfText } from '../http/headers/header-value.ts';
import { invalidEvent, invalidHeader, invalidMember } from '../http/refusals.ts';
import { eventContent } from './publish-content.ts';

/**
 * Parses CloudEvents 1.0 over HTTP into publishes (PROTOCOL.md section 8.5). A CloudEvent has
 * attributes, such as `source` and `id`, and data. Structured mode sends both as one JSON object;
 * batch mode sends an array of these. Binary mode sends the attributes as `ce-` headers and the
 * data as the body.
 */

const scanner = new JsonScanner();
/** An element of an array is an event; its data is one level below the array. */
const elementScanner = new JsonScanner(JSON_DEPTH_MAX + 1);
/** Attribute names are lower-case letters and digits (CloudEvents 1.0, section 3.1). */
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/;
const ATTRIBUTES_MAX = 64;

/** The attributes as JSON texts by name, and the members that hold the data. */
interface CloudEventParts {
  readonly attributes: Map<string, string>;
  readonly content: string;
}

/** Structured mode: the body is the event. */
export function structuredCloudEvent(text: string, channel: string | undefined): PublishRequest {
  scanner.reset(text);
  const event = scanCloudEvent();
  if (!scanner.atEnd()) throw jsonError(scanner);
  return publishRequestOf(event, channel);
}

/**
 * Batch mode: each event, or its error.
 * @throws PolycastError `invalid_json`, `invalid_event`, `batch_too_large` for the whole batch
 */
export function cloudEventBatch(
  text: string,
  channel: string | undefined,
  eventsMax: number,
): (PublishRequest | PolycastError)[] {
  const events: (PublishRequest | PolycastError)[] = [];
  for (const element of arrayElements(text, eventsMax))
    events.push(orError(() => structuredCloudEvent(element, channel)));
  return events;
}

/** Binary mode: attributes in `ce-` headers, the data in the body. */
export function binaryCloudEvent(
  headers: IncomingHttpHeaders,
  body: Buffer,
  channel: string | undefined,
): PublishRequest {
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-')) continue;
    addAttribute(attributes, name.slice(3), JSON.stringify(decodeHeaderValue(name, String(value))));
  }
  return publishRequestOf(
    { attributes, content: body.length === 0 ? '"data":null' : eventContent(body, headers['content-type']) },
    channel,
  );
}

/**
 * The elements of a JSON array as texts.
 * @throws PolycastError `invalid_json`, `invalid_event`, `batch_too_large`
 */
export function arrayElements(text: string, elementsMax: number): string[] {
  const elements: string[] = [];
  elementScanner.reset(text);
  if (!elementScanner.consume(91)) throw new PolycastError('invalid_event', 'The body must be a JSON array.');
  if (!elementScanner.consume(93)) {
    do {
      if (elements.length >= elementsMax)
        throw new PolycastError('batch_too_large', `The limit is ${elementsMax} events.`, { limit: elementsMax });
      elementScanner.peek();
      const start = elementScanner.index;
      if (!elementScanner.skipValue()) throw jsonError(elementScanner);
      elements.push(text.slice(start, elementScanner.index));
    } while (elementScanner.consume(44));
    if (!elementScanner.consume(93)) throw jsonError(elementScanner);
  }
  if (!elementScanner.atEnd()) throw jsonError(elementScanner);
  return elements;
}

/** The result of a step, or the PolycastError that it throws. */
export function orError<Value>(step: () => Value): Value | PolycastError {
  try {
    return step();
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
}

function publishRequestOf({ attributes, content }: CloudEventParts, channel: string | undefined): PublishRequest {
  const id = requiredAttribute(attributes, 'id');
  const source = requiredAttribute(attributes, 'source');
  const type = checkType(requiredAttribute(attributes, 'type'));
  if (requiredAttribute(attributes, 'specversion') !== '1.0')
    throw invalidEvent('specversion', '"specversion" must be "1.0".');
  if (attributes.has('time') && !isTimestamp(requiredAttribute(attributes, 'time')))
    throw invalidEvent('time', 'The CloudEvents attribute "time" is not a time of RFC 3339.');
  const trace = takeTraceContext(attributes);
  const stored = [...attributes]
    .filter(([name]) => name !== 'type' && name !== 'datacontenttype')
    .map(([name, value]) => `"${name}":${value}`);
  const parts = content.startsWith('"datacontenttype"') ? splitContentType(content) : ['', content];
  return {
    channel: channelOf(attributes, channel),
    type,
    content: `${parts[0]}"cloudevent":{${stored.join(',')}},${parts[1]}`,
    // `source` and `id` together identify an event (CloudEvents 1.0, section 3.1.1). Their digest
    // is a key of fixed length.
    idempotencyKey:
      'ce:' +
      createHash('sha256')
        .update(JSON.stringify([source, id]))
        .digest('base64url'),
    ifMatch: undefined,
    trace,
  };
}

/**
 * Takes the attributes of the extension "Distributed Tracing" out of the event. The context is kept
 * beside the event: a repeated publish with another context is the same event. An invalid context
 * stays among the attributes.
 */
function takeTraceContext(attributes: Map<string, string>): string | undefined {
  const traceparent = attributes.get('traceparent');
  if (traceparent === undefined) return undefined;
  const trace = parseTraceContext(textOf(traceparent), textOf(attributes.get('tracestate')));
  if (trace === undefined) return undefined;
  attributes.delete('traceparent');
  attributes.delete('tracestate');
  return trace;
}

function textOf(token: string | undefined): string | undefined {
  return token?.startsWith('"') === true ? decodeStringToken(token) : undefined;
}

/**
 * Whether a text is a time of RFC 3339 section 5.6, as CloudEvents requires for `time`. A day that
 * the month does not have is invalid.
 */
function isTimestamp(text: string): boolean {
  const [, year, month, day] = TIMESTAMP.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,18})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function splitContentType(content: string): readonly [string, string] {
  const at = content.indexOf(',"data');
  return [content.slice(0, at + 1), content.slice(at + 1)];
}

function channelOf(attributes: ReadonlyMap<string, string>, channel: string | undefined): string {
  if (channel !== undefined) return channel;
  for (const name of ['channel', 'subject']) {
    const token = attributes.get(name);
    const value = token?.startsWith('"') ? decodeStringToken(token) : undefined;
    if (value !== undefined && isChannel(value)) return value;
    if (name === 'channel' && token !== undefined)
      throw new PolycastError('invalid_channel', 'The attribute "channel" is not a channel name.');
  }
  throw new PolycastError('channel_missing', 'Neither "channel" nor "subject" names a channel.');
}

function requiredAttribute(attributes: ReadonlyMap<string, string>, name: string): string {
  const token = attributes.get(name);
  const value = token?.startsWith('"') ? decodeStringToken(token) : '';
  if (value !== '' && value.isWellFormed()) return value;
  throw invalidEvent(name, `The CloudEvents attribute "${name}" is missing or empty.`);
}

function scanCloudEvent(): CloudEventParts {
  const attributes = new Map<string, string>();
  let data: string | undefined;
  let base64: string | undefined;
  if (!scanner.consume(123))
    throw scanner.skipValue()
      ? new PolycastError('invalid_event', 'A CloudEvent is a JSON object.')
      : jsonError(scanner);
  if (!scanner.consume(125)) {
    do {
      const name = scanToken(() => scanner.peek() === 34 && scanner.skipString());
      if (!scanner.consume(58)) throw jsonError(scanner);
      const value = scanToken(() => scanner.skipValue());
      if (name === '"data"' && data === undefined) data = withoutBreaks(value);
      else if (name === '"data_base64"' && base64 === undefined) base64 = checkBase64(value);
      else addAttribute(attributes, decodeStringToken(name), value);
    } while (scanner.consume(44));
    if (!scanner.consume(125)) throw jsonError(scanner);
  }
  if (data !== undefined && base64 !== undefined)
    throw invalidEvent('data_base64', '"data" and "data_base64" exclude each other.');
  const contentType = attributes.get('datacontenttype');
  if (contentType !== undefined) checkMediaType(contentType);
  const contentTypeMember =
    contentType === undefined || contentType === '"application/json"' ? '' : `"datacontenttype":${contentType},`;
  return {
    attributes,
    content: contentTypeMember + (base64 === undefined ? `"data":${data ?? 'null'}` : `"data_base64":${base64}`),
  };
}

/**
 * Checks `datacontenttype`, which readers receive as a header: it "MUST adhere to the format
 * specified in RFC 2046" (CloudEvents 1.0, section 3.1.2).
 */
function checkMediaType(token: string): void {
  if (token.startsWith('"') && isMediaType(decodeStringToken(token))) return;
  const why = `"datacontenttype" is not a media type of at most ${MEDIA_TYPE_LENGTH_MAX} characters.`;
  throw invalidEvent('datacontenttype', why);
}

/** Removes the line breaks of valid JSON. */
function withoutBreaks(json: string): string {
  return /[\r\n]/.test(json) ? withoutLineBreaks(json) : json;
}

function checkBase64(token: string): string {
  if (/^"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"$/.test(token)) return token;
  throw invalidEvent('data_base64', '"data_base64" is not base64.');
}

function addAttribute(attributes: Map<string, string>, name: string, token: string): void {
  if (!ATTRIBUTE_NAME.test(name))
    throw invalidEvent(
      name.slice(0, 64),
      `${JSON.stringify(name.slice(0, 64))} is not the name of a CloudEvents attribute.`,
    );
  if (attributes.has(name)) throw invalidMember('duplicate_member', name, `"${name}" occurs twice.`);
  if (attributes.size >= ATTRIBUTES_MAX)
    throw new PolycastError('invalid_event', `At most ${ATTRIBUTES_MAX} attributes.`);
  if (token === 'null') return;
  if (token.startsWith('{') || token.startsWith('['))
    throw invalidEvent(name, `The attribute "${name}" must be a string, a number or a boolean.`);
  attributes.set(name, withoutBreaks(token));
}

function scanToken(step: () => boolean): string {
  if (scanner.peek() === -1) throw jsonError(scanner);
  const start = scanner.index;
  if (!step()) throw jsonError(scanner);
  return scanner.text.slice(start, scanner.index);
}

/**
 * Decodes a header value as the CloudEvents HTTP binding 1.0.2, section 3.1.3.2, requires. It "MUST
 * first be unescaped with respect to double-quoted strings"; then "a single round of
 * percent-decoding MUST be performed". Some SDKs send unencoded UTF-8, and `%` for itself. So
 * sequences that do not decode to UTF-8 stay as they are.
 * @param value as Node reads it, with one character per byte
 * @throws PolycastError `invalid_header`
 */
function decodeHeaderValue(name: string, value: string): string {
  const bytes = bytesOfText(value);
  if (!isUtf8(bytes)) throw invalidHeader(name, `${name} is not in UTF-8.`);
  const text = bytes.toString('utf8');
  const quoted = QUOTED.exec(text)?.[1];
  const unquoted = quoted === undefined ? text : quoted.replaceAll(/\\(.)/gu, '$1');
  return unquoted.replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, (encoded) => {
    const decoded = Buffer.from(encoded.replaceAll('%', ''), 'hex');
    return isUtf8(decoded) ? decoded.toString('utf8') : encoded;
  });
}

/** RFC 9110 section 5.6.4. */
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/u;
