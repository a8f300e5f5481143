import { isPattern, PolycastError } from '@polycast/protocol';
import type { EventTypes } from '../../../core/events/event-types.ts';
import { closestMatches } from '../../../core/primitives/closest-match.ts';
import { invalidBody, nonEmptyText, type Validator, type MemberReader } from '../../../http/body/json-body.ts';
import { oneOf } from '../../http/bodies/checks.ts';

/** What a client of REST Hooks asks for, in whatever words it has for that (PROTOCOL.md section 14.8). */
export interface HookRequest {
  readonly targetUrl: string;
  /** As they were named: types of the catalogue, or channels and patterns. */
  readonly events: readonly string[];
  /** Which channels of those that events of these types are published to; `undefined`: all. */
  readonly channels: readonly string[] | undefined;
  readonly format: 'data' | 'event' | 'cloudevents';
}

/** What a hook means, in the words of subscriptions. */
export interface EventSelection {
  readonly channels: readonly string[];
  readonly types: readonly string[] | undefined;
}

/** As Zapier, Make, n8n, Power Automate, Keap and resthooks.org name them; the first that is given counts. */
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
const EVENTS_MAX = 20;

/**
 * Members that are not known are passed over: each of these clients adds some of its own.
 * @throws PolycastError `invalid_body`
 */
export function parseHookRequest(members: MemberReader, urlCheck: Validator<string>): HookRequest {
  return {
    targetUrl: targetUrl(members, urlCheck),
    ...eventsAndChannels(members),
    format: members.optional('format', oneOf('data', 'event', 'cloudevents')) ?? 'data',
  };
}

/** Which of its hooks a client wants no more: those to an address, of all events or of some. */
export function parseHookSelector(members: MemberReader): {
  readonly targetUrl: string;
  readonly events: readonly string[] | undefined;
} {
  const events = EVENT_NAMES.some((name) => members.has(name)) ? eventsOf(members) : undefined;
  return { targetUrl: targetUrl(members, nonEmptyText(URL_LENGTH_MAX)), events };
}

const URL_LENGTH_MAX = 2048;

/**
 * Types of the catalogue go before channels of the same name. Where there is a catalogue, a name that is neither a type of it, nor one of
 * its channels, nor a pattern is taken for a mistake; a single channel is then asked for as `channels`.
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
  const detail = `There is no type of events called ${JSON.stringify(event)} (GET /v1/event-types).${suggestion}`;
  return new PolycastError('invalid_body', detail, { member: 'event', nearest: names });
}

const NEAREST_MAX = 3;
/** Nobody mistypes a name into a pattern. */
const IS_WILD = /[*>]/;

/**
 * Types of the catalogue go before channels of the same name.
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
    throw invalidBody('event', 'must be types of events (GET /v1/event-types), or channels');
  return { channels: events, types: undefined };
}

/** Channels may be asked for alone. */
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

/** One, or several. */
const list: Validator<readonly string[]> = (value) => {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isRight = texts.length > 0 && texts.length <= EVENTS_MAX && texts.every((text) => 'value' in event(text));
  return isRight
    ? { value: [...new Set(texts as string[])] }
    : { wrong: `must be a text of 1 to 200 characters, or a list of 1 to ${EVENTS_MAX}` };
};

const event = nonEmptyText(200);

/** @throws PolycastError `not_found` */
export function noSuchHook(): PolycastError {
  return new PolycastError('not_found', 'There is no such hook.');
}
