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
import { channel, count, cursor, named, pattern, text, time } from '../../http/openapi/schemas.ts';
import { event } from '../../streams/schemas.ts';
import { STATUS_REASONS, SUBSCRIPTION_STATES } from '../state/definition.ts';
import { ATTEMPT_OUTCOMES } from '../state/ports.ts';
import { OPTION_DOCS, OPTIONS, OWNER_LENGTH_MAX } from './bodies/definition-body.ts';
import { endpointUrl, pullOptions, webhookOptions } from './bodies/delivery-body.ts';
import { CONCURRENCY_DOC } from './bodies/subscription-body.ts';
import type { SubscriptionParts } from './parts.ts';

/** Examples. */
export const SUBSCRIPTION_ID = 'sub_0123456789abcdef';
/** The name of a subscription. It never begins like an id. */
export const SUBSCRIPTION_NAME: RegExp = /^(?!sub_)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
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
    traceparent: text({
      description: 'The trace context of the publisher (PROTOCOL.md section 8.7), if there is one.',
      examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    }).optional(),
    tracestate: text({ examples: ['vendor=x1'] }).optional(),
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
  return withHeaders(response(status, doc, json(subscriptionSchema(parts), 'The subscription.')), ETAG);
}

export function newSubscription(parts: SubscriptionParts, status: number, doc: string): ResponseDescription {
  const content = json(subscriptionSchema(parts), 'The subscription. `delivery.secret` is shown only here.');
  return withHeaders(response(status, doc, content), ETAG);
}

/** A subscription as responses show it, made once for each hub. */
export function subscriptionSchema(parts: SubscriptionParts): z.ZodType {
  let schema = made.get(parts.settings);
  if (schema === undefined) made.set(parts.settings, (schema = createSubscriptionSchema(parts)));
  return schema;
}

const made = new WeakMap<SubscriptionParts['settings'], z.ZodType>();

function createSubscriptionSchema(parts: SubscriptionParts): z.ZodType {
  const { limits, settings } = parts;
  const { types, filter, ordering, ratePerSecond, description, metadata, expires } = OPTIONS;
  return z
    .object({
      id: z
        .string()
        .regex(/^sub_[0-9a-z]{16}$/)
        .meta({ examples: [SUBSCRIPTION_ID] }),
      name: z
        .string()
        .regex(SUBSCRIPTION_NAME)
        .nullable()
        .describe('Unique in the hub. Only `PUT` gives it.')
        .meta({ examples: ['warehouse'] }),
      state: z.enum(SUBSCRIPTION_STATES).meta({ examples: ['active'] }),
      reason: z.enum(STATUS_REASONS).describe('The reason (PROTOCOL.md section 14.2).'),
      since: time(),
      channels: z.array(pattern()).min(1).max(limits.channelsPerConsumerMax),
      types: types.nullable().describe(OPTION_DOCS.types),
      filter: filter.nullable().describe(OPTION_DOCS.filter),
      ordering: ordering.describe(OPTION_DOCS.ordering),
      ratePerSecond: ratePerSecond.nullable().describe(OPTION_DOCS.ratePerSecond),
      concurrencyMax: z
        .int()
        .min(1)
        .max(Math.max(settings.concurrencyMax, settings.openEventsMax))
        .describe(CONCURRENCY_DOC),
      description,
      metadata: metadata.describe(OPTION_DOCS.metadata),
      expires: expires.nullable().describe(OPTION_DOCS.expires),
      delivery: z.xor([shownWebhook(parts), shownPull(parts)]),
      owner: z
        .string()
        .max(OWNER_LENGTH_MAX)
        .nullable()
        .describe(OPTION_DOCS.owner)
        .meta({ examples: ['acme'] }),
      createdBy: z
        .object({ key: z.string().optional(), user: z.string().optional() })
        .meta({ examples: [{ user: 'ann' }] }),
      created: time(),
      changed: time(),
      cursor: cursor().describe('All events up to here are done, or counted in `backlog`.'),
      backlog: backlogSchema,
    })
    .meta({ id: 'Subscription' });
}

function shownWebhook(parts: SubscriptionParts): z.ZodType {
  const { batch, ...options } = webhookOptions(parts);
  return z
    .object({
      kind: z.literal('webhook'),
      url: endpointUrl(),
      ...options,
      batch: batch.nullable(),
      dialect: z.enum(parts.dialects.names),
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

function shownPull(parts: SubscriptionParts): z.ZodType {
  return z.object({ kind: z.literal('pull'), ...pullOptions(parts) }).meta({ id: 'PullDelivery' });
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
  nextAttempt: time()
    .nullable()
    .describe(
      'Webhooks: when an event that failed is sent again, if no other event reaches the endpoint before. `null` when no attempt is planned.',
    ),
});
