import { isPattern, PolycastError } from '@polycast/protocol';
import type * as z from 'zod';
import type { EventTypes } from '../../../core/events/event-types.ts';
import { closestMatches } from '../../../core/primitives/closest-match.ts';
import { parseBody } from '../../../http/body/body-schema.ts';
import { invalidBody } from '../../../http/refusals.ts';
import { HOOK_CHOICE, type HOOK_FORMATS, type NewHook } from './schemas.ts';

/**
 * A REST Hooks client's request (PROTOCOL.md section 14.8). Clients use different names for its
 * members.
 */
export interface HookRequest {
  readonly targetUrl: string;
  /** As named in the request: event types of the catalogue, or channels and patterns. */
  readonly events: readonly string[];
  /**
   * The channels from which events of these types are delivered; `undefined` for all channels of
   * the types.
   */
  readonly channels: readonly string[] | undefined;
  readonly format: (typeof HOOK_FORMATS)[number];
}

/** The channels and types that a hook selects, as in a subscription. */
export interface EventSelection {
  readonly channels: readonly string[];
  readonly types: readonly string[] | undefined;
}

/**
 * The names of members that Zapier, Make, n8n, Power Automate, Keap and resthooks.org use.
 * The first one present counts.
 */
const NAMES = {
  target_url: [
    'target_url',
    'targetUrl',
    'target',
    'hook_url',
    'hookUrl',
    'webhook_url',
    'webhookUrl',
    'callback_url',
    'callbackUrl',
    'notification_url',
    'notificationUrl',
    'url',
  ],
  event: ['event', 'events', 'event_type', 'eventType', 'event_key', 'eventKey', 'topic'],
  channels: ['channels', 'channel'],
} as const;

/**
 * Parses a request for a hook. It ignores unknown members, because each of these clients adds its
 * own.
 * @throws PolycastError `invalid_body`, `endpoint_refused`
 */
export function parseHookRequest(schema: NewHook, body: object): HookRequest {
  const { target_url: targetUrl, event: events = [], channels, format } = parseNamed(schema, body);
  return { targetUrl, events, channels, format };
}

/** Parses which hooks a client removes: those with a URL, for all events or for some. */
export function parseHookSelector(body: object): {
  readonly targetUrl: string;
  readonly events: readonly string[] | undefined;
} {
  const { target_url: targetUrl, event: events } = parseNamed(HOOK_CHOICE, body);
  return { targetUrl, events };
}

/** Parses a body with any of the names. A refusal has the name that the client used. */
function parseNamed<Schema extends z.core.$ZodType>(schema: Schema, body: object): z.output<Schema> {
  const named: Record<string, unknown> = { ...body };
  const given = new Map<string, string>();
  for (const [name, names] of Object.entries(NAMES)) {
    const used = names.find((each) => Object.hasOwn(body, each));
    if (used === undefined) continue;
    given.set(name, used);
    named[name] = Reflect.get(body, used);
  }
  return parseBody(schema, named, (member, reason) => invalidBody(given.get(member) ?? member, reason));
}

/**
 * Resolves the events of a new hook. Types of the catalogue take precedence over channels of the
 * same name.
 *
 * If there is a catalogue, an event must be one of its types, one of its channels, or a pattern.
 * Anything else is taken for a mistake, so another single channel has to be requested as
 * `channels`.
 * @throws PolycastError `invalid_body`
 */
export function newEventSelection(hook: Pick<HookRequest, 'events' | 'channels'>, types: EventTypes): EventSelection {
  const { events, channels } = hook;
  if (events.length === 0) return { channels: channels ?? [], types: undefined };
  const { all } = types;
  const channelsKnown = new Set(all.flatMap((type) => type.channels));
  const mistaken = events.find(
    (event) => types.get(event) === undefined && !channelsKnown.has(event) && !IS_WILD.test(event),
  );
  if (mistaken !== undefined && all.length > 0) throw unknownEvent(mistaken, types);
  return eventSelection(hook, types);
}

function unknownEvent(event: string, { all }: EventTypes): PolycastError {
  const names = closestMatches(
    event,
    all.map(({ name }) => name),
    NEAREST_MAX,
  );
  const suggestion = names.length === 0 ? '' : ` Did you mean ${names.join(' or ')}?`;
  const detail = `The event type ${JSON.stringify(event)} does not exist (GET /v1/event-types).${suggestion}`;
  return new PolycastError('invalid_body', detail, { member: 'event', nearest: names });
}

const NEAREST_MAX = 3;
/** A name with a wildcard is hardly a typing mistake. */
const IS_WILD = /[*>]/;

/**
 * Resolves events to channels and types. Types of the catalogue take precedence over channels of
 * the same name.
 * @throws PolycastError `invalid_body`
 */
export function eventSelection(
  { events, channels }: Pick<HookRequest, 'events' | 'channels'>,
  types: EventTypes,
): EventSelection {
  const known = events.flatMap((event) => types.get(event) ?? []);
  if (known.length === events.length) {
    const all = new Set(known.flatMap((type) => type.channels));
    return { channels: channels ?? [...all], types: events };
  }
  const unknown = events.find((event) => types.get(event) === undefined && !isPattern(event));
  if (unknown !== undefined || known.length > 0 || channels !== undefined)
    throw invalidBody('event', 'must be event types (GET /v1/event-types) or channels');
  return { channels: events, types: undefined };
}

/** @throws PolycastError `not_found` */
export function noSuchHook(): PolycastError {
  return new PolycastError('not_found', 'The hook does not exist.');
}
