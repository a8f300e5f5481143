import * as z from 'zod';
import { checkChannel, PolycastError } from '@polycast/protocol';
import { USER_RULE } from '../auth/author.ts';
import type { Route } from '../auth/route.ts';
import { isUser } from '../core/access/private-channel.ts';
import { json, queryParameter, response } from '../http/route-description.ts';
import {
  channel as channelSchema,
  count,
  cursor,
  named,
  text,
  time,
  user as userSchema,
} from '../http/openapi/schemas.ts';
import { readQuery } from '../http/query-parameter.ts';
import { invalidParameter } from '../http/refusals.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import { locateEvent } from './event-steps.ts';
import { explainChannel } from './explain-channel.ts';
import type { ExplainParts } from './explain-parts.ts';
import { explainSubscription } from './explain-subscription.ts';
import { explainSession, explainUser } from './explain-user.ts';
import { OUTCOMES, REASONS, STEPS, VERDICTS, type Explanation, type ExplainedEvent, type Step } from './explanation.ts';
import { answerOtherHubs, knownSession } from './other-hubs.ts';

const EVENT = { ...queryParameter('event', cursor(), 'The id of the event.'), required: true };
const READERS = ['user', 'session', 'subscription', 'channel'] as const;
const PARAMETERS = [
  EVENT,
  queryParameter('user', userSchema(), 'Why this user got it, or did not.'),
  queryParameter('session', z.string(), 'The same for one session, live or ended.'),
  queryParameter('subscription', z.string(), 'The same for a subscription.'),
  queryParameter(
    'channel',
    channelSchema(),
    'Whether it went to this channel. Beside another one: the channel of an event that may be gone.',
  ),
  queryParameter('claims', z.string(), 'The claims of a user who is not connected: a JSON object.'),
];

/** `GET /v1/explain?event=ID&user=ann` (PROTOCOL.md section 13.12). */
export function explainEventRoute(parts: ExplainParts): Route {
  answerOtherHubs(parts);
  return {
    method: 'GET',
    path: '/v1/explain',
    requires: 'admin',
    description: () => ({
      operationId: 'explainEvent',
      summary: 'Explains why an event reached a reader, or did not.',
      section: '13.12',
      details: 'Give `event` and one of `user`, `session`, `subscription` and `channel`.',
      parameters: PARAMETERS,
      responses: [response(200, 'The steps and the conclusion.', json(explanationSchema(), 'The answer.'))],
      errors: ['invalid_parameter', 'invalid_channel', 'not_found', 'log_unavailable', 'hub_silent'],
    }),
    async handle(request) {
      const values = readQuery(request.query, PARAMETERS);
      const reader = readerOf(values);
      const channel = values.get('channel');
      const event = await locateEvent(
        parts,
        values.get('event') ?? '',
        channel === undefined ? undefined : checkChannel(channel),
      );
      const explanation = await explainReader(parts, event, reader, values);
      request.respondJson(200, explanationJson(explanation, reader));
    },
  };
}

interface Reader {
  readonly kind: (typeof READERS)[number];
  readonly name: string;
}

/** @throws PolycastError `invalid_parameter` */
function readerOf(values: ReadonlyMap<string, string>): Reader {
  const given = READERS.filter((name) => values.has(name));
  // The channel may accompany another reader.
  const [kind, other] = given.length === 2 ? given.filter((name) => name !== 'channel') : given;
  if (kind === undefined || other !== undefined || given.length > 2)
    throw invalidParameter(given[1] ?? 'user', `must be the only one of ${READERS.join(', ')}`);
  return { kind, name: values.get(kind) ?? '' };
}

async function explainReader(
  parts: ExplainParts,
  event: ExplainedEvent,
  { kind, name }: Reader,
  values: ReadonlyMap<string, string>,
): Promise<Explanation> {
  switch (kind) {
    case 'user':
      if (!isUser(name)) throw new PolycastError('invalid_parameter', USER_RULE, { parameter: 'user' });
      return explainUser(parts, event, name, claimsOf(values.get('claims') ?? '{}'));
    case 'session':
      return explainSession(parts, event, await knownSession(parts, name));
    case 'subscription':
      return explainSubscription(parts, event, name);
    case 'channel':
      return explainChannel(parts, event, name);
  }
}

/** @throws PolycastError `invalid_parameter` */
function claimsOf(given: string): Readonly<Record<string, unknown>> {
  const parsed = z.record(z.string(), z.unknown()).safeParse(parseJson(given));
  if (parsed.success) return parsed.data;
  throw invalidParameter('claims', 'must be a JSON object');
}

function parseJson(given: string): unknown {
  try {
    return JSON.parse(given) as unknown;
  } catch {
    return undefined;
  }
}

const explanationSchema = named('EventExplanation', () =>
  z.object({
    event: z.object({
      id: cursor(),
      channel: channelSchema().optional(),
      type: text({ examples: ['order.paid'] }).optional(),
      time: time().optional(),
      user: userSchema().optional(),
      origin: text({ examples: ['tab-1'] }).optional(),
      bytes: count('Bytes of its JSON, without its id.').optional(),
    }),
    reader: z.partialRecord(z.enum(READERS), z.string()).meta({ examples: [{ user: 'ann' }] }),
    outcome: z.enum(OUTCOMES),
    reason: z.enum(REASONS),
    sentence: text({ description: 'For a person.', examples: ['The event was delivered.'] }),
    steps: z.array(
      z.object({
        step: z.enum(STEPS),
        verdict: z.enum(VERDICTS),
        reason: text({ examples: ['network'] }).optional(),
        time: time().nullable(),
        text: text({ examples: ['Stored at position 42.'] }),
        link: text({ description: 'A path of this API.', examples: ['/v1/sessions/8FTkQ0hGL2xWmN4v'] }).nullable(),
        detail: z
          .record(z.string(), z.unknown())
          .optional()
          .meta({ examples: [{ cursor: '0t24qj92dx-00000000010' }] }),
      }),
    ),
  }),
);

function explanationJson({ event, steps, conclusion }: Explanation, reader: Reader): object {
  const { id, record, author } = event;
  return {
    event: {
      id,
      ...(record !== undefined && {
        channel: record.channel,
        ...(record.type !== undefined && { type: record.type }),
        time: timestampOrNull(record.timeMs),
        ...author,
        bytes: record.body.length,
      }),
    },
    reader: { [reader.kind]: reader.name },
    ...conclusion,
    steps: steps.map(stepJson),
  };
}

function stepJson({ step, verdict, reason, timeMs, text, link, detail }: Step): object {
  return {
    step,
    verdict,
    ...(reason !== undefined && { reason }),
    time: timestampOrNull(timeMs),
    text,
    link: link ?? null,
    ...(detail !== undefined && { detail }),
  };
}
