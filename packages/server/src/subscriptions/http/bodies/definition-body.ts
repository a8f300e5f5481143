import { isChannel, isPattern, TYPE_LENGTH_MAX, type PolycastError } from '@polycast/protocol';
import * as z from 'zod';
import { resolveStart } from '../../../core/start.ts';
import { compileFilter } from '../../state/filter.ts';
import { checkPattern, tooManyChannels } from '../../../streams/events-query.ts';
import {
  checkedBy,
  integer,
  nonEmptyText,
  oneOf,
  orDefault,
  refuse,
  requiring,
  thrownRefusal,
  timestamp,
  wellFormedText,
  withoutProto,
} from '../../../http/body/body-schema.ts';
import { channel, cursorOr, named, pattern } from '../../../http/openapi/schemas.ts';
import type { SubscriptionDefinition } from '../../state/definition.ts';
import type { SubscriptionParts } from '../parts.ts';

const TYPES_MAX = 20;
const RATE_MAX = 1_000_000;
const DESCRIPTION_LENGTH_MAX = 500;
const METADATA_MAX = 20;
const METADATA_LENGTH_MAX = 500;

const filter = named('Filter', () => checkedBy(z.unknown(), (value) => thrownRefusal(() => compileFilter(value))), {
  type: 'object',
  minProperties: 1,
  maxProperties: 1,
  description:
    'One operator: `equals`, `differs`, `less`, `lessOrEqual`, `greater`, `greaterOrEqual`, `oneOf`, `startsWith`, `contains`, each with a list of a JSON pointer into the event and a value. `present` has a pointer, `all` and `any` have a list of filters, and `not` has one filter.',
  examples: [{ all: [{ equals: ['/data/status', 'paid'] }, { greater: ['/data/total', 100] }] }],
});

interface OptionSchemas {
  readonly types: z.ZodType<string[]>;
  readonly filter: z.ZodType;
  readonly ordering: z.ZodType<SubscriptionDefinition['ordering']>;
  readonly ratePerSecond: z.ZodType<number>;
  readonly description: z.ZodType<string>;
  readonly metadata: z.ZodType<Record<string, string>>;
  readonly expires: z.ZodType<number>;
}

/** The schemas of these members, in requests and in responses. */
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

/** The name of a customer. */
export const OWNER_LENGTH_MAX = 128;

export const OPTION_DOCS = {
  owner:
    'The customer of the site that the subscription belongs to. A portal link shows the subscriptions of its owner.',
  types: '`null`: all.',
  filter: 'Only events that match the filter.',
  ordering: "`per-channel`: a channel's events one at a time, in order.",
  ratePerSecond: '`null`: no limit.',
  metadata: 'Metadata of the owner.',
  expires: 'The time when the subscription ends; `null`: never.',
} as const;

/** The members that a creation and a change have in common, without the delivery. */
export type CommonOptions = Pick<
  SubscriptionDefinition,
  'types' | 'filter' | 'ordering' | 'ratePerSecond' | 'description' | 'metadata' | 'endsMs'
>;

export const DEFAULTS: CommonOptions = {
  types: undefined,
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  description: '',
  metadata: {},
  endsMs: undefined,
};

type Member<Value> = z.ZodExactOptional<z.ZodType<Value>>;

interface CommonMembers {
  readonly types: Member<CommonOptions['types']>;
  readonly filter: Member<unknown>;
  readonly ordering: Member<CommonOptions['ordering']>;
  readonly ratePerSecond: Member<number | undefined>;
  readonly description: Member<string>;
  readonly metadata: Member<CommonOptions['metadata']>;
  /** `undefined`: never. */
  readonly expires: Member<{ readonly timeMs: number | undefined }>;
}

export type GivenCommonOptions = z.output<z.ZodObject<{ [Name in keyof CommonMembers]: CommonMembers[Name] }>>;

/** The members of a creation and of a change; `null` selects the default. */
export function commonMembers({ auth: { clock } }: SubscriptionParts): CommonMembers {
  const types = OPTIONS.types.transform((given): readonly string[] => [...new Set(given)]);
  const metadata = withoutProto(OPTIONS.metadata, 'may not have the name __proto__');
  const expires = OPTIONS.expires.check((context) => {
    if (context.value <= clock.nowMs()) refuse(context, 'must be a future time');
  });
  return {
    types: orDefault(types, DEFAULTS.types).describe(OPTION_DOCS.types).exactOptional(),
    filter: orDefault(OPTIONS.filter, DEFAULTS.filter).describe(OPTION_DOCS.filter).exactOptional(),
    ordering: OPTIONS.ordering
      .nullable()
      .meta({ default: DEFAULTS.ordering, description: OPTION_DOCS.ordering })
      .transform((value) => value ?? DEFAULTS.ordering)
      .exactOptional(),
    ratePerSecond: orDefault(OPTIONS.ratePerSecond, DEFAULTS.ratePerSecond)
      .describe(OPTION_DOCS.ratePerSecond)
      .exactOptional(),
    description: orDefault(OPTIONS.description, DEFAULTS.description).exactOptional(),
    metadata: orDefault(metadata, DEFAULTS.metadata).describe(OPTION_DOCS.metadata).exactOptional(),
    expires: orDefault(expires, DEFAULTS.endsMs)
      .transform((timeMs) => ({ timeMs }))
      .describe(OPTION_DOCS.expires)
      .exactOptional(),
  };
}

/** Channels and patterns, each once. Errors: `invalid_pattern`, `too_many_channels`. */
export function channelsMember({
  limits: { channelsPerConsumerMax },
}: SubscriptionParts): z.ZodType<readonly string[]> {
  const schema = z
    .array(pattern())
    .min(1)
    .max(channelsPerConsumerMax)
    .refine((channels) => channels.every(isPattern))
    .transform((channels) => [...new Set(channels)]);
  return requiring(schema, (value) => channelsProblem(value, channelsPerConsumerMax));
}

function channelsProblem(value: unknown, channelsMax: number): string | PolycastError | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every((channel) => typeof channel === 'string'))
    return 'must be a list of channels and patterns';
  return value.length > channelsMax ? tooManyChannels(channelsMax) : thrownRefusal(() => value.forEach(checkPattern));
}

const START_LENGTH_MAX = 64;
/** The refusal of a start that is not a string. */
export const START_RULE = `must be a text of 1 to ${START_LENGTH_MAX} characters`;

/** A start: a cursor, `earliest` or `now`. Errors: `invalid_cursor`. */
export function startMember({ log }: SubscriptionParts): z.ZodType<string> {
  const text = nonEmptyText(START_LENGTH_MAX);
  const schema = checkedBy(cursorOr('earliest', 'now'), (value) => {
    if (!z.safeParse(text, value).success) return `must be a string of 1 to ${START_LENGTH_MAX} characters`;
    return thrownRefusal(() => resolveStart(value as string, log.state, 'start'));
  });
  return schema.meta({ default: 'now', description: 'The start of the subscription.' });
}

/** A channel; patterns are rejected. */
export const channelMember: z.ZodString = requiring(channel().refine(isChannel), 'must be a channel');
