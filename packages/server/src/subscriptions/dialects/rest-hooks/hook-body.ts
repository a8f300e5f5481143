import { isPattern, PolycastError } from '@polycast/protocol';
import type { EventTypes } from '../../../core/events/event-types.ts';
import { closestMatches } from '../../../core/primitives/closest-match.ts';
import { invalidBody, nonEmptyText, type Validator, type MemberReader } from '../../../http/body/json-body.ts';
import { oneOf } from '../../http/bodies/checks.ts';

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
  readonly format: 'data' | 'event' | 'cloudevents';
}

/** The channels and types that a hook selects, as in a subscription. */
export interface EventSelection {
  readonly channels: readonly string[];
  readonly types: readonly string[] | undefined;
}

/**
 * Names used by Zapier, Make, n8n, Power Automate, Keap and resthooks.org. The first one present
 * counts.
 */
const URL_NAMES = [
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
] as const;
const EVENT_NAMES = ['event', 'events', 'event_type', 'eventType', 'event_key', 'eventKey', 'topic'] as const;
export const EVENTS_MAX = 20;
export const HOOK_FORMATS = ['data', 'event', 'cloudevents'] as const;

/**
 * Parses a request for a hook. It ignores unknown members, because each of these clients adds its
 * own.
 * @throws PolycastError `invalid_body`
 */
export function parseHookRequest(members: MemberReader, urlCheck: Validator<string>): HookRequest {
  return {
    targetUrl: targetUrl(members, urlCheck),
    ...eventsAndChannels(members),
    format: members.optional('format', oneOf(...HOOK_FORMATS)) ?? 'data',
  };
}

/** Parses which hooks a client removes: those with a URL, for all events or for some. */
export function parseHookSelector(members: MemberReader): {
  readonly targetUrl: string;
  readonly events: readonly string[] | undefined;
} {
  const events = EVENT_NAMES.some((name) => members.has(name)) ? eventsOf(members) : undefined;
  return { targetUrl: targetUrl(members, nonEmptyText(URL_LENGTH_MAX)), events };
}

const URL_LENGTH_MAX = 2048;

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

/** A request may have channels without events. */
function eventsAndChannels(members: MemberReader): Pick<HookRequest, 'events' | 'channels'> {
  const isNamed = EVENT_NAMES.some((name) => members.has(name));
  const events = isNamed || !(members.has('channels') || members.has('channel')) ? eventsOf(members) : [];
  return { events, channels: members.optional('channels', list) ?? members.optional('channel', list) };
}

function targetUrl(members: MemberReader, check: Validator<string>): string {
  const name = URL_NAMES.find((each) => members.has(each));
  if (name === undefined) throw invalidBody('target_url', 'is missing');
  return members.required(name, check);
}

function eventsOf(members: MemberReader): readonly string[] {
  const name = EVENT_NAMES.find((each) => members.has(each));
  if (name === undefined) throw invalidBody('event', 'is missing');
  return members.required(name, list);
}

/** One text, or a list of texts. */
const list: Validator<readonly string[]> = (value) => {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isRight = texts.length > 0 && texts.length <= EVENTS_MAX && texts.every((text) => 'value' in event(text));
  return isRight
    ? { value: [...new Set(texts as string[])] }
    : { wrong: `must be a string of 1 to 200 characters, or a list of 1 to ${EVENTS_MAX}` };
};

const event = nonEmptyText(200);

/** @throws PolycastError `not_found` */
export function noSuchHook(): PolycastError {
  return new PolycastError('not_found', 'The hook does not exist.');
}
