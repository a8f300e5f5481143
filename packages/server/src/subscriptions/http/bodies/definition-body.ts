import { isChannel } from '@polycast/protocol';
import { resolveStart } from '../../../core/start.ts';
import type { SubscriptionDefinition } from '../../state/definition.ts';
import { compileFilter } from '../../state/filter.ts';
import { checkPattern, tooManyChannels } from '../../../streams/events-query.ts';
import {
  isWellFormedText,
  nonEmptyText,
  timestamp,
  integer,
  type Validator,
  type MemberReader,
} from '../../../http/body/json-body.ts';
import { isObject, orNull } from './checks.ts';
import type { SubscriptionParts } from '../parts.ts';

const TYPES_MAX = 20;
const TYPE_LENGTH_MAX = 200;
const RATE_MAX = 1_000_000;
const DESCRIPTION_LENGTH_MAX = 500;
const METADATA_MAX = 20;
const METADATA_LENGTH_MAX = 500;
const START_LENGTH_MAX = 64;

/** The members that a creation and a change have in common, without the delivery. */
export type CommonOptions = Pick<
  SubscriptionDefinition,
  'types' | 'filter' | 'ordering' | 'ratePerSecond' | 'description' | 'metadata' | 'endsMs'
>;

const DEFAULTS: CommonOptions = {
  types: undefined,
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  description: '',
  metadata: {},
  endsMs: undefined,
};

/**
 * Returns the members that the body has; `null` selects the default.
 * @throws PolycastError `invalid_body`, `invalid_filter`
 */
export function givenCommonOptions(members: MemberReader, nowMs: number): Partial<CommonOptions> {
  const options: { -readonly [Name in keyof CommonOptions]?: CommonOptions[Name] } = {};
  const take = <Name extends keyof CommonOptions>(
    name: string,
    option: Name,
    check: Validator<Exclude<CommonOptions[Name], undefined>>,
  ): void => {
    if (members.has(name))
      options[option] = (members.optional(name, orNull(check)) ?? DEFAULTS[option]) as CommonOptions[Name];
  };
  take('types', 'types', types);
  take('filter', 'filter', filter);
  take('ordering', 'ordering', ordering);
  take('ratePerSecond', 'ratePerSecond', integer(1, RATE_MAX));
  take('description', 'description', description);
  take('metadata', 'metadata', metadata);
  take('expires', 'endsMs', futureTime(nowMs));
  return options;
}

/** All common members of a new subscription, with defaults. */
export function allCommonOptions(members: MemberReader, nowMs: number): CommonOptions {
  return { ...DEFAULTS, ...givenCommonOptions(members, nowMs) };
}

/** @throws PolycastError `invalid_pattern`, `too_many_channels` */
export function channelsCheck({ limits }: SubscriptionParts): Validator<readonly string[]> {
  const { channelsPerConsumerMax } = limits;
  return (value) => {
    if (!Array.isArray(value) || value.length === 0 || !value.every((channel) => typeof channel === 'string'))
      return { wrong: 'must be a list of channels and patterns' };
    if (value.length > channelsPerConsumerMax) throw tooManyChannels(channelsPerConsumerMax);
    return { value: [...new Set(value.map(checkPattern))] };
  };
}

/**
 * Validates a start: a cursor, `earliest` or `now`.
 * @throws PolycastError `invalid_cursor`
 */
export function startCheck({ log }: SubscriptionParts, name: string): Validator<string> {
  const text = nonEmptyText(START_LENGTH_MAX);
  return (value) => {
    const checked = text(value);
    if ('value' in checked) resolveStart(checked.value, log.state, name);
    return checked;
  };
}

/** A channel; patterns are rejected. */
export const channelOf: Validator<string> = (value) =>
  typeof value === 'string' && isChannel(value) ? { value } : { wrong: 'must be a channel' };

const types: Validator<readonly string[]> = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= TYPES_MAX &&
  value.every((type) => isWellFormedText(type, TYPE_LENGTH_MAX) && type !== '')
    ? { value: [...new Set(value as string[])] }
    : { wrong: `must be a list of 1 to ${TYPES_MAX} strings of 1 to ${TYPE_LENGTH_MAX} characters` };

const filter: Validator<unknown> = (value) => {
  compileFilter(value);
  return { value };
};

const ordering: Validator<SubscriptionDefinition['ordering']> = (value) =>
  value === 'per-channel' || value === 'none' ? { value } : { wrong: 'must be per-channel or none' };

const description: Validator<string> = (value) =>
  isWellFormedText(value, DESCRIPTION_LENGTH_MAX)
    ? { value }
    : { wrong: `must be a string of at most ${DESCRIPTION_LENGTH_MAX} characters` };

const metadata: Validator<Readonly<Record<string, string>>> = (value) =>
  isObject(value) && Object.entries(value).length <= METADATA_MAX && Object.entries(value).every(isMetadataEntry)
    ? { value: value as Record<string, string> }
    : {
        wrong: `must be an object of at most ${METADATA_MAX} strings of at most ${METADATA_LENGTH_MAX} characters, with names of 1 to 64 of A-Z a-z 0-9 _ . -`,
      };

function isMetadataEntry([name, text]: readonly [string, unknown]): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) && isWellFormedText(text, METADATA_LENGTH_MAX);
}

function futureTime(nowMs: number): Validator<number> {
  return (value) => {
    const checked = timestamp(value);
    return 'value' in checked && checked.value <= nowMs ? { wrong: 'must be a future time' } : checked;
  };
}
