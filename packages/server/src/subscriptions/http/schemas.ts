import * as z from 'zod';
import {
  headerParameter,
  json,
  pathParameter,
  response,
  withHeaders,
  type Parameter,
  type ResponseDescription,
} from '../../http/route-description.ts';
import { channel, count, cursor, cursorOr, named, pattern, text, time } from '../../http/openapi/schemas.ts';
import { event } from '../../streams/schemas.ts';
import { STATUS_REASONS, SUBSCRIPTION_STATES } from '../state/definition.ts';
import { ATTEMPT_OUTCOMES } from '../state/ports.ts';
import { OPTIONS } from './bodies/definition-body.ts';
import { pullMembers, SECRET_MEMBERS, webhookMembers } from './bodies/delivery-body.ts';
import type { SubscriptionParts } from './parts.ts';

/** Examples. */
export const SUBSCRIPTION_ID = 'sub_0123456789abcdef';
export const LEASE = '8FTkQ0hGL2xWmN4v';
export const NEXT = '`next` is the `after` of the next page; `null` on the last page.';

export function eventId(name: string): Parameter {
  return pathParameter(name, cursor(), 'The id of the event.');
}

const milliseconds = () => z.number().min(0);
const headers = () => z.record(z.string(), z.string()).meta({ examples: [{ 'content-type': 'application/json' }] });

/** A lease and its event. */
export const leasedEvent: () => z.ZodType = named('LeasedEvent', () =>
  z.object({
    lease: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/)
      .meta({ description: 'The id for the acknowledgement.', examples: [LEASE] }),
    delivery: z.int().min(1).describe('1 for the first delivery.'),
    leaseEnds: time(),
    event: event(),
  }),
);

export const attempt: () => z.ZodType = named('Attempt', () =>
  z.object({
    number: z.int().min(1),
    subscription: text({ examples: [SUBSCRIPTION_ID] }),
    event: cursor().nullable().describe('`null` for samples, verifications and gaps.'),
    gap: z.boolean().describe('Whether the request reported lost events, alone or in a batch.'),
    count: count('The number of events in the request; `event` is the first.'),
    attempt: z.int().min(1).describe('1 for the first attempt.'),
    started: time(),
    outcome: z.enum(ATTEMPT_OUTCOMES),
    detail: text({ examples: ['200'] }),
    request: z.object({
      url: text({ examples: ['https://shop.example/hook'] }),
      headers: headers(),
      bodyBytes: count(),
    }),
    response: z
      .object({
        status: z.int().meta({ examples: [200] }),
        headers: headers(),
        body: text({ description: 'Its first 16 KiB.', examples: ['thank you'] }),
        cut: z.boolean(),
      })
      .nullable(),
    timing: z
      .object({
        nameMs: milliseconds().nullable(),
        connectMs: milliseconds().nullable(),
        tlsMs: milliseconds().nullable(),
        firstByteMs: milliseconds().nullable(),
        totalMs: milliseconds().nullable(),
      })
      .describe('The duration of each phase; `null` for a phase that did not happen.'),
  }),
);

export const deadLetter: () => z.ZodType = named('DeadLetter', () =>
  z.object({
    event: cursor(),
    channel: channel(),
    attempts: count(),
    since: time(),
    outcome: z.enum([...ATTEMPT_OUTCOMES, 'deliveries', 'channel_removed']),
    detail: z.string(),
    payload: event()
      .nullable()
      .describe('Only if read alone: the event, or `null` if retention has removed it or its log no longer exists.')
      .optional(),
  }),
);

export const replay: () => z.ZodType = named('Replay', () =>
  z.object({
    id: z.string(),
    after: cursor(),
    through: cursor(),
    reached: cursor(),
    channel: channel().nullable(),
    done: z.boolean(),
  }),
);

export const IF_MATCH: Parameter = headerParameter('If-Match', z.string(), 'Applies only if this is still the `ETag`.');
const ETAG = { ETag: 'The value for `If-Match` of the next change.' };

export function shownSubscription(parts: SubscriptionParts, status: number, doc: string): ResponseDescription {
  const { subscription } = subscriptionSchemas(parts);
  return withHeaders(response(status, doc, json(subscription, 'The subscription.')), ETAG);
}

export function newSubscription(parts: SubscriptionParts, status: number, doc: string): ResponseDescription {
  const { subscription } = subscriptionSchemas(parts);
  const content = json(subscription, 'The subscription. `delivery.secret` is shown only here.');
  return withHeaders(response(status, doc, content), ETAG);
}

interface SubscriptionSchemas {
  readonly subscription: z.ZodType;
  readonly creation: z.ZodType;
  readonly changes: z.ZodType;
}

/** The schemas whose bounds are settings of the hub, made once for each hub. */
export function subscriptionSchemas(parts: SubscriptionParts): SubscriptionSchemas {
  const known = made.get(parts.settings);
  if (known !== undefined) return known;
  const schemas = createSchemas(parts);
  made.set(parts.settings, schemas);
  return schemas;
}

const made = new WeakMap<SubscriptionParts['settings'], SubscriptionSchemas>();

function createSchemas(parts: SubscriptionParts): SubscriptionSchemas {
  const { limits, dialects } = parts;
  const channels = z.array(pattern()).min(1).max(limits.channelsPerConsumerMax);
  const options = optionSchemas(parts);
  const webhook = webhookMembers(parts);
  const pull = pullMembers(parts);
  const [kindOfWebhook, kindOfPull] = [z.literal('webhook'), z.literal('pull')];
  const { url = z.string(), ...webhookOptions } = webhook;
  const newWebhook = z
    .strictObject({
      kind: kindOfWebhook,
      url,
      ...optional(webhookOptions),
      dialect: z.enum(dialects.creatableNames).meta({ default: dialects.creatableNames[0] }).optional(),
      ...SECRET_MEMBERS,
    })
    .meta({ id: 'NewWebhookDelivery' });
  const newPull = z.strictObject({ kind: kindOfPull, ...optional(pull) }).meta({ id: 'NewPullDelivery' });
  const start = cursorOr('earliest', 'now').meta({ default: 'now', description: 'The start of the subscription.' });
  const delivery = { kind: z.enum(['webhook', 'pull']), ...webhook, ...pull };
  return {
    creation: z
      .strictObject({
        channels,
        ...optional({ ...options, ordering: options.ordering.meta({ default: 'per-channel' }) }),
        delivery: z.xor([newWebhook, newPull]),
        start: start.optional(),
      })
      .meta({ id: 'NewSubscription' }),
    changes: z
      .strictObject({
        channels: channels.optional(),
        ...optional(options),
        delivery: z
          .object(optional(delivery))
          .describe('The members to replace. The kind and the dialect cannot change.')
          .optional(),
      })
      .meta({
        id: 'SubscriptionChanges',
        description: 'Any of the members; `null` restores the default.',
      }),
    subscription: z
      .object({
        id: z
          .string()
          .regex(/^sub_[0-9a-z]{16}$/)
          .meta({ examples: [SUBSCRIPTION_ID] }),
        state: z.enum(SUBSCRIPTION_STATES).meta({ examples: ['active'] }),
        reason: z.enum(STATUS_REASONS).describe('The reason (PROTOCOL.md section 14.2).'),
        since: time(),
        channels,
        ...options,
        delivery: z.xor([shownWebhook(parts, webhook), shownPull(pull)]),
        owner: z
          .object({ key: z.string().optional(), user: z.string().optional() })
          .meta({ examples: [{ user: 'ann' }] }),
        created: time(),
        changed: time(),
        cursor: cursor().describe('All events up to here are done, or counted in `backlog`.'),
        backlog: backlogSchema,
      })
      .meta({ id: 'Subscription' }),
  };
}

/** The options of a subscription, as requests and responses have them. */
function optionSchemas({ settings }: SubscriptionParts) {
  const { types, filter, ordering, ratePerSecond, description, metadata, expires } = OPTIONS;
  const concurrencyMax = Math.max(settings.concurrencyMax, settings.openEventsMax);
  return {
    types: types.nullable().describe('`null`: all.'),
    filter: filter.nullable().describe('Only events that match the filter.'),
    ordering: ordering.describe("`per-channel`: a channel's events one at a time, in order."),
    ratePerSecond: ratePerSecond.nullable().describe('`null`: no limit.'),
    concurrencyMax: z
      .int()
      .min(1)
      .max(concurrencyMax)
      .nullable()
      .describe('The maximum number of concurrent requests; for pull, of leased events.'),
    description: description.nullable(),
    metadata: metadata.nullable().describe('Metadata of the owner.'),
    expires: expires.nullable().describe('The time when the subscription ends; `null`: never.'),
  };
}

function shownWebhook({ dialects }: SubscriptionParts, members: Readonly<Record<string, z.ZodType>>): z.ZodType {
  return z
    .object({
      kind: z.literal('webhook'),
      ...members,
      dialect: z.enum(dialects.names),
      secret: text({
        description: 'Only for a new secret; shown only here.',
        examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      }).optional(),
      secrets: z
        .array(
          z.object({
            kind: z.enum(['hmac', 'ed25519']),
            publicKey: z.string().optional(),
            expires: time().nullable(),
          }),
        )
        .describe('The current signature scheme.'),
    })
    .meta({ id: 'WebhookDelivery' });
}

function shownPull(members: Readonly<Record<string, z.ZodType>>): z.ZodType {
  return z.object({ kind: z.literal('pull'), ...members }).meta({ id: 'PullDelivery' });
}

const backlogSchema = z.object({
  inFlight: count('Events in flight or leased.'),
  failing: count('Events that wait for another attempt.'),
  waiting: count('Events that wait for other events or for their turn.'),
  deadLetters: count('Dead letters.'),
  lagMs: z.number().min(0).describe('The age of the oldest event that is not done.'),
  lagEvents: count(
    'Events that are not done: in flight, failing, waiting, and matching events after `cursor`. The hub counts events that are not in memory after the first request. Until then, and beyond 100,000, it counts positions.',
  ),
  lagPositions: count('Positions of the log from `cursor` to its head.'),
});

function optional(members: Readonly<Record<string, z.ZodType>>): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(members).map(([name, schema]) => [name, schema.optional()]));
}
