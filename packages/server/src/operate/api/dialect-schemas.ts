import type { JsonSchema } from './operation.ts';

const WEB_URL: JsonSchema = { type: 'string', format: 'uri', maxLength: 2048 };
const EVENT: JsonSchema = { type: 'string', minLength: 1, maxLength: 200 };
const EVENTS: JsonSchema = { anyOf: [EVENT, { type: 'array', items: EVENT, minItems: 1, maxItems: 20 }] };
const CHANNELS: JsonSchema = { type: 'array', items: { $ref: '#/components/schemas/Pattern' } };
const FORMAT: JsonSchema = { enum: ['data', 'event', 'cloudevents'], default: 'data' };

/** The schemas of WebSub, REST Hooks and the catalogue of event types. */
export const DIALECT_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  HubRequest: {
    type: 'object',
    description: 'WebSub section 5.1. `publish` needs `hub.url` or `hub.topic`, which may be repeated.',
    required: ['hub.mode'],
    properties: {
      'hub.mode': { enum: ['subscribe', 'unsubscribe', 'publish'] },
      'hub.topic': WEB_URL,
      'hub.callback': WEB_URL,
      'hub.lease_seconds': { type: 'integer', minimum: 0 },
      'hub.secret': { type: 'string', maxLength: 199 },
      'hub.algorithm': { enum: ['sha1', 'sha256', 'sha384', 'sha512'] },
      'hub.verify_token': { type: 'string', maxLength: 1024 },
      'hub.url': WEB_URL,
    },
  },
  NewHook: {
    type: 'object',
    required: ['target_url', 'event'],
    properties: {
      target_url: WEB_URL,
      event: { ...EVENTS, description: 'Event types, or channels and patterns.' },
      channels: {
        ...CHANNELS,
        description: 'Only these channels, among those of the event types.',
      },
      format: FORMAT,
    },
  },
  HookChoice: {
    type: 'object',
    required: ['target_url'],
    properties: { target_url: WEB_URL, event: { ...EVENTS, description: 'Only hooks for this event.' } },
  },
  Hook: {
    type: 'object',
    required: ['id', 'target_url', 'event', 'channels', 'format', 'state', 'created'],
    properties: {
      id: { type: 'string' },
      target_url: WEB_URL,
      event: EVENTS,
      channels: CHANNELS,
      format: FORMAT,
      state: { enum: ['pending', 'active', 'paused', 'suspended', 'ended'] },
      created: { type: 'string', format: 'date-time' },
      secret: { type: 'string', description: 'The secret for the signatures of deliveries.' },
    },
  },
  EventType: {
    type: 'object',
    required: ['name', 'description', 'channels', 'schema', 'sample'],
    properties: {
      name: EVENT,
      description: { type: 'string' },
      channels: CHANNELS,
      schema: { description: 'JSON Schema of the data; `null`: any data.' },
      sample: { description: 'Sample data; `null` if there is none.' },
    },
  },
};
