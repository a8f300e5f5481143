import { CLOSE_CODES, SUBPROTOCOL } from '@polycast/protocol';
import * as z from 'zod';
import { joinWords } from '../../core/primitives/english.ts';
import { SchemaConverter } from '../../http/openapi/schema-converter.ts';
import { problem } from '../../http/openapi/schemas.ts';
import type { JsonSchema } from '../../http/route-description.ts';
import { EVENT_STREAMS } from '../event-streams.ts';
import { event } from '../schemas.ts';
import { CONTROL_MESSAGES, EVERY_STREAM, OPERATIONS, type StreamName } from './messages.ts';

/**
 * The AsyncAPI 3.0 document that the hub serves as `/asyncapi.json`. It describes the streams of
 * `GET /v1/events`: a channel for each transport, and a message for each form of a frame.
 */
export function asyncApiDocument(version: string): JsonSchema {
  const { messages, schemas } = convert(describeMessages());
  const namesOf = (transport: StreamName): string[] =>
    Object.keys(messages).filter((name) => name.startsWith(`${transport}-`) || name === EVENT);
  const channels = Object.fromEntries(
    EVERY_STREAM.map((transport) => [transport, channelOf(transport, namesOf(transport))]),
  );
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Polycast',
      version,
      description: `The streams of a hub: ${TITLES}. \`/openapi.json\` describes the other requests.`,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: { websocket: server('ws'), http: server('http') },
    channels,
    operations: { ...sendOperations(namesOf), ...receiveOperations() },
    components: { messages, schemas },
  };
}

const TITLES = joinWords(['WebSocket', ...Object.values(EVENT_STREAMS).map(({ description }) => description.title)]);

/**
 * The only message that has the same form everywhere. The names of all others begin with their
 * transport: `sse-gap`.
 */
const EVENT = 'event';

/** A message before its schemas are converted. */
interface Message {
  readonly name: string;
  readonly summary: string;
  readonly section: string;
  readonly payload: z.ZodType;
  readonly headers?: z.ZodType;
}

const ref = (): z.ZodType => z.union([z.number(), z.string().max(64)]).optional();

function describeMessages(): Readonly<Record<string, Message>> {
  const messages: Record<string, Message> = {
    [EVENT]: { name: 'event', summary: 'An event, the same bytes on every transport.', section: '3', payload: event() },
  };
  for (const [op, { summary, section, members, transports }] of Object.entries(CONTROL_MESSAGES))
    for (const transport of transports)
      messages[`${transport}-${op}`] =
        transport !== 'websocket' && EVENT_STREAMS[transport].description.nameIn === 'event'
          ? { name: `polycast.${op}`, summary, section, payload: z.object(members()), headers: eventFields(op) }
          : { name: op, summary, section, payload: z.object({ op: z.literal(op), ...okOf(op), ...members() }) };
  for (const [op, { summary, section, members, answer }] of Object.entries(OPERATIONS)) {
    const envelope = { op: z.literal(op), ref: ref() };
    messages[`websocket-${op}`] = { name: op, summary, section, payload: z.object({ ...envelope, ...members() }) };
    const payload = z.union([
      z.object({ ...envelope, ok: z.literal(true), ...answer() }),
      z.object({ ...envelope, ok: z.literal(false), error: problem() }),
    ]);
    messages[`websocket-${op}-answer`] = {
      name: `${op} answer`,
      summary: `The answer to \`${op}\`.`,
      section,
      payload,
    };
  }
  return messages;
}

/** `error` is the only message of the hub with `ok`. */
function okOf(op: string): Readonly<Record<string, z.ZodType>> {
  return op === 'error' ? { ok: z.literal(false) } : {};
}

/** The fields of an event stream beside `data:`. */
function eventFields(op: string): z.ZodType {
  return z.object({ event: z.literal(`polycast.${op}`) });
}

function convert(described: Readonly<Record<string, Message>>): {
  readonly messages: Readonly<Record<string, JsonSchema>>;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
} {
  const converter = new SchemaConverter();
  for (const { payload, headers } of Object.values(described))
    for (const schema of [payload, headers]) if (schema !== undefined) converter.add(schema);
  const { schemaOf, schemas } = converter.convert();
  const messages = Object.entries(described).map(([key, { name, summary, section, payload, headers }]) => [
    key,
    {
      name,
      title: name,
      summary: `${summary} PROTOCOL.md section ${section}.`,
      ...(headers !== undefined && { headers: schemaOf(headers) }),
      payload: schemaOf(payload),
    },
  ]);
  return { messages: Object.fromEntries(messages) as Record<string, JsonSchema>, schemas };
}

function server(protocol: string): JsonSchema {
  return {
    host: '{host}',
    protocol,
    variables: { host: { default: '127.0.0.1:7400', description: 'The host and port of the hub.' } },
  };
}

function descriptionOf(transport: StreamName): string {
  if (transport === 'websocket')
    return `A WebSocket, with the subprotocol \`${SUBPROTOCOL}\` or none. Each message is one text frame.`;
  const { mediaType, description } = EVENT_STREAMS[transport];
  return `${description.response}: \`Accept: ${mediaType}\`. ${description.messages}`;
}

function channelOf(transport: StreamName, names: readonly string[]): JsonSchema {
  return {
    address: '/v1/events',
    title: transport,
    description: descriptionOf(transport),
    servers: [{ $ref: `#/servers/${transport === 'websocket' ? 'websocket' : 'http'}` }],
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    ...(transport === 'websocket' && {
      bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      'x-close-codes': CLOSE_CODES,
    }),
  };
}

/** The hub sends events and control messages on every transport. */
function sendOperations(namesOf: (transport: StreamName) => readonly string[]): JsonSchema {
  const answers = new Set(Object.keys(OPERATIONS).flatMap((op) => [`websocket-${op}`, `websocket-${op}-answer`]));
  return Object.fromEntries(
    EVERY_STREAM.map((transport) => [
      `${transport}-stream`,
      {
        action: 'send',
        summary: 'The hub sends events and control messages.',
        channel: { $ref: `#/channels/${transport}` },
        messages: namesOf(transport)
          .filter((name) => !answers.has(name))
          .map((name) => messageIn(transport, name)),
      },
    ]),
  );
}

/** A client of a WebSocket sends operations, and each is answered once. */
function receiveOperations(): JsonSchema {
  const channel = { $ref: '#/channels/websocket' };
  return Object.fromEntries(
    Object.entries(OPERATIONS).map(([op, { summary }]) => [
      op,
      {
        action: 'receive',
        summary,
        channel,
        messages: [messageIn('websocket', `websocket-${op}`)],
        reply: { channel, messages: [messageIn('websocket', `websocket-${op}-answer`)] },
      },
    ]),
  );
}

function messageIn(transport: StreamName, name: string): JsonSchema {
  return { $ref: `#/channels/${transport}/messages/${name}` };
}
