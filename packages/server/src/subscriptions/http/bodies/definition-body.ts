import { isChannel, TYPE_LENGTH_MAX } from '@polycast/protocol';
import * as z from 'zod';
import { resolveStart } from '../../../core/start.ts';
import type { SubscriptionDefinition } from '../../state/definition.ts';
import { compileFilter } from '../../state/filter.ts';
import { checkPattern, tooManyChannels } from '../../../streams/events-query.ts';
import {
  integer,
  memberOf,
  nonEmptyText,
  oneOf,
  refuseThrown,
  requiring,
  timestamp,
  wellFormedText,
} from '../../../http/body/body-schema.ts';
import type { MemberReader, Validator } from '../../../http/body/json-body.ts';
import { channel, named } from '../../../http/openapi/schemas.ts';
import { orNull } from './checks.ts';
import type { SubscriptionParts } from '../parts.ts';

const TYPES_MAX = 20;
const RATE_MAX = 1_000_000;
const DESCRIPTION_LENGTH_MAX = 500;
const METADATA_MAX = 20;
const METADATA_LENGTH_MAX = 500;

const filter = named(
  'Filter',
  () => z.unknown().check((context) => refuseThrown(context, () => compileFilter(context.value))),
  {
    type: 'object',
    minProperties: 1,
    maxProperties: 1,
    description:
      'One operator: `equals`, `differs`, `less`, `lessOrEqual`, `greater`, `greaterOrEqual`, `oneOf`, `startsWith`, `contains`, each with a list of a JSON pointer into the event and a value; `present` with a pointer; `all`, `any` with filters; `not` with one.',
    examples: [{ all: [{ equals: ['/data/status', 'paid'] }, { greater: ['/data/total', 100] }] }],
  },
);

interface OptionSchemas {
  readonly types: z.ZodType<string[]>;
  readonly filter: z.ZodType;
  readonly ordering: z.ZodType<SubscriptionDefinition['ordering']>;
  readonly ratePerSecond: z.ZodType<number>;
  readonly description: z.ZodType<string>;
  readonly metadata: z.ZodType<Record<string, string>>;
  readonly expires: z.ZodType<number>;
}

/** The schemas of these members; their descriptions are those of `http/schemas.ts`. */
export const OPTIONS: OptionSchemas = {
  types: requiring(
    z
      .array(
        z
          .string()
          .min(1)
          .max(TYPE_LENGTH_MAX)
          .refine((type) => type.isWellFormed())
          .meta({ examples: ['order.paid'] }),
      )
      .min(1)
      .max(TYPES_MAX),
    `must be a list of 1 to ${TYPES_MAX} strings of 1 to ${TYPE_LENGTH_MAX} characters`,
  ),
  filter: filter(),
  ordering: oneOf('per-channel', 'none'),
  ratePerSecond: integer(1, RATE_MAX),
  description: wellFormedText(DESCRIPTION_LENGTH_MAX).meta({ examples: ['Orders for the warehouse'] }),
  metadata: requiring(
    z
      .record(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/), wellFormedText(METADATA_LENGTH_MAX))
      .refine((metadata) => Object.keys(metadata).length <= METADATA_MAX)
      .meta({ maxProperties: METADATA_MAX, examples: [{ team: 'warehouse' }] }),
    `must be an object of at most ${METADATA_MAX} strings of at most ${METADATA_LENGTH_MAX} characters, with names of 1 to 64 of A-Z a-z 0-9 _ . -`,
  ),
  expires: timestamp(),
};

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
  take('filter', 'filter', memberOf(OPTIONS.filter));
  take('ordering', 'ordering', memberOf(OPTIONS.ordering));
  take('ratePerSecond', 'ratePerSecond', memberOf(OPTIONS.ratePerSecond));
  take('description', 'description', memberOf(OPTIONS.description));
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
  return (value) => {
    const checked = startText(value);
    if ('value' in checked) resolveStart(checked.value, log.state, name);
    return checked;
  };
}

const START_LENGTH_MAX = 64;
/** The refusal of a start that is no text. */
export const START_RULE = `must be a text of 1 to ${START_LENGTH_MAX} characters`;
const startText = memberOf(nonEmptyText(START_LENGTH_MAX));

/** A channel; patterns are rejected. */
export const channelMember: z.ZodString = requiring(channel().refine(isChannel), 'must be a channel');

/** The schema would drop the name `__proto__` in silence. */
const metadata: Validator<Record<string, string>> = (value) =>
  Object.hasOwn(Object(value) as object, '__proto__')
    ? { wrong: 'may not have the name __proto__' }
    : memberOf(OPTIONS.metadata)(value);

const types: Validator<readonly string[]> = (value) => {
  const checked = memberOf(OPTIONS.types)(value);
  return 'value' in checked ? { value: [...new Set(checked.value)] } : checked;
};

function futureTime(nowMs: number): Validator<number> {
  return (value) => {
    const checked = memberOf(OPTIONS.expires)(value);
    return 'value' in checked && checked.value <= nowMs ? { wrong: 'must be a future time' } : checked;
  };
}
