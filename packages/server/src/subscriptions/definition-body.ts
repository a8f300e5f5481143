import { isChannel } from '@polycast/protocol';
import { startAfter } from '../core/start.ts';
import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import { compileFilter } from '../core/subscription/filter.ts';
import { checkPattern, tooManyChannels } from '../transports/events-query.ts';
import { isText, shortText, time, whole, type Check, type Members } from '../transports/json-body.ts';
import { isObject, orNull } from './checks.ts';
import type { SubscriptionParts } from './parts.ts';

const TYPES_MAX = 20;
const TYPE_LENGTH_MAX = 200;
const RATE_MAX = 1_000_000;
const DESCRIPTION_LENGTH_MAX = 500;
const METADATA_MAX = 20;
const METADATA_LENGTH_MAX = 500;
const START_LENGTH_MAX = 64;

/** What may be said of a subscription when it is created and changed alike, but for its delivery. */
export type CommonWishes = Pick<
  SubscriptionDefinition,
  'types' | 'filter' | 'ordering' | 'ratePerSecond' | 'description' | 'metadata' | 'endsMs'
>;

const UNLESS_GIVEN: CommonWishes = {
  types: undefined,
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  description: '',
  metadata: {},
  endsMs: undefined,
};

/**
 * Those members that are given; `null` stands for what holds unless something is given.
 * @throws PolycastError `invalid_body`, `invalid_filter`
 */
export function takeCommon(members: Members, nowMs: number): Partial<CommonWishes> {
  const wishes: { -readonly [Name in keyof CommonWishes]?: CommonWishes[Name] } = {};
  const take = <Name extends keyof CommonWishes>(
    name: string,
    wish: Name,
    check: Check<Exclude<CommonWishes[Name], undefined>>,
  ): void => {
    if (members.has(name))
      wishes[wish] = (members.take(name, orNull(check)) ?? UNLESS_GIVEN[wish]) as CommonWishes[Name];
  };
  take('types', 'types', types);
  take('filter', 'filter', filter);
  take('ordering', 'ordering', ordering);
  take('ratePerSecond', 'ratePerSecond', whole(1, RATE_MAX));
  take('description', 'description', description);
  take('metadata', 'metadata', metadata);
  take('expires', 'endsMs', timeToCome(nowMs));
  return wishes;
}

/** All of them, for a new subscription. */
export function commonWishes(members: Members, nowMs: number): CommonWishes {
  return { ...UNLESS_GIVEN, ...takeCommon(members, nowMs) };
}

/** @throws PolycastError `invalid_pattern`, `too_many_channels` */
export function channelsCheck({ services }: SubscriptionParts): Check<readonly string[]> {
  const { channelsPerConsumerMax } = services.settings;
  return (value) => {
    if (!Array.isArray(value) || value.length === 0 || !value.every((channel) => typeof channel === 'string'))
      return { wrong: 'must be a list of channels and patterns' };
    if (value.length > channelsPerConsumerMax) throw tooManyChannels(channelsPerConsumerMax);
    return { value: [...new Set(value.map(checkPattern))] };
  };
}

/** Where it begins: the text of a cursor, `earliest` or `now`. @throws PolycastError `invalid_cursor` */
export function startCheck({ services }: SubscriptionParts, name: string): Check<string> {
  const text = shortText(START_LENGTH_MAX);
  return (value) => {
    const checked = text(value);
    if ('value' in checked) startAfter(checked.value, services.log.state, name);
    return checked;
  };
}

/** A channel, and no pattern. */
export const channelOf: Check<string> = (value) =>
  typeof value === 'string' && isChannel(value) ? { value } : { wrong: 'must be a channel' };

const types: Check<readonly string[]> = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= TYPES_MAX &&
  value.every((type) => isText(type, TYPE_LENGTH_MAX) && type !== '')
    ? { value: [...new Set(value as string[])] }
    : { wrong: `must be a list of 1 to ${TYPES_MAX} texts of 1 to ${TYPE_LENGTH_MAX} characters` };

const filter: Check<unknown> = (value) => {
  compileFilter(value);
  return { value };
};

const ordering: Check<SubscriptionDefinition['ordering']> = (value) =>
  value === 'per-channel' || value === 'none' ? { value } : { wrong: 'must be per-channel or none' };

const description: Check<string> = (value) =>
  isText(value, DESCRIPTION_LENGTH_MAX)
    ? { value }
    : { wrong: `must be a text of at most ${DESCRIPTION_LENGTH_MAX} characters` };

const metadata: Check<Readonly<Record<string, string>>> = (value) =>
  isObject(value) && Object.entries(value).length <= METADATA_MAX && Object.entries(value).every(isNote)
    ? { value: value as Record<string, string> }
    : {
        wrong: `must be an object of at most ${METADATA_MAX} texts of at most ${METADATA_LENGTH_MAX} characters, with names of 1 to 64 of A-Z a-z 0-9 _ . -`,
      };

function isNote([name, text]: readonly [string, unknown]): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) && isText(text, METADATA_LENGTH_MAX);
}

function timeToCome(nowMs: number): Check<number> {
  return (value) => {
    const checked = time(value);
    return 'value' in checked && checked.value <= nowMs ? { wrong: 'must be a time to come' } : checked;
  };
}
