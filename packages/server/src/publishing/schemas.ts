import { IDEMPOTENCY_KEY_LENGTH_MAX } from '@polycast/protocol';
import * as z from 'zod';
import {
  anyValue,
  channel,
  cursor,
  eventType,
  named,
  problem,
  shortText,
  text,
  time,
  user,
} from '../http/openapi/schemas.ts';

/** The members that every published event may have. */
const common = () => ({
  data: anyValue({
    description: 'Any JSON value. The hub keeps it character for character.',
    examples: [{ total: 42 }],
  }),
  type: eventType().optional(),
  idempotencyKey: shortText(IDEMPOTENCY_KEY_LENGTH_MAX, 'order-42-paid').optional(),
  traceparent: text({
    description: 'The W3C trace context of this event (PROTOCOL.md section 8.7). The default is that of the request.',
    examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  }).optional(),
  tracestate: text({ examples: ['vendor=x1'] }).optional(),
});
const ownCondition = () =>
  cursor().describe("Publishes only if this is the id of the newest event of the user's private channel.");

export const newEvent: () => z.ZodType = named('NewEvent', () =>
  z.strictObject({
    channel: channel(),
    ...common(),
    ifMatch: z
      .xor([cursor(), z.enum(['none', '*'])])
      .describe(
        "Publishes only if this is the id of the channel's newest event; `none`: only if it has no event; `*`: only if it has an event.",
      )
      .optional(),
  }),
);

export const published: () => z.ZodType = named(
  'Published',
  () => z.object({ id: cursor(), channel: channel(), time: time() }),
  { description: 'The event is durable.' },
);

export const result: () => z.ZodType = named('Result', () => z.xor([published(), z.object({ error: problem() })]));

export const results: () => z.ZodType = named('Results', () => z.object({ results: z.array(result()) }), {
  description: 'One result per user, in order.',
});

/** A private message: an event for one user. */
export const privateMessage: () => z.ZodType = named('PrivateMessage', () =>
  z.strictObject({ ...common(), ifMatch: ownCondition().optional() }),
);

const messageToUser = named('PrivateMessageToUser', () =>
  z.strictObject({ ...common(), ifMatch: ownCondition().optional(), user: user() }),
);

/** @param usersMax most users of one envelope */
export function addressedMessage(usersMax: number): z.ZodType {
  const known = addressed.get(usersMax);
  if (known !== undefined) return known;
  const users = z.array(user()).min(1).max(usersMax).meta({ uniqueItems: true });
  const messageToUsers = z.strictObject({ ...common(), users }).meta({ id: 'PrivateMessageToUsers' });
  const schema = z.xor([messageToUser(), messageToUsers]).meta({ id: 'AddressedMessage' });
  addressed.set(usersMax, schema);
  return schema;
}

const addressed = new Map<number, z.ZodType>();

export const cloudEvent: () => z.ZodType = named(
  'CloudEvent',
  () =>
    z.looseObject({
      specversion: z.literal('1.0'),
      id: z.string().min(1),
      source: z
        .string()
        .min(1)
        .meta({ examples: ['/shop'] }),
      type: z
        .string()
        .min(1)
        .meta({ examples: ['order.paid'] }),
      subject: text({ examples: ['orders.42'] }).optional(),
      time: time().optional(),
      datacontenttype: text({ examples: ['application/json'] }).optional(),
      channel: channel().optional(),
      data: anyValue({ examples: [{ total: 42 }] }).optional(),
      data_base64: text({ contentEncoding: 'base64', examples: ['AAEC'] }).optional(),
    }),
  {
    description:
      'CloudEvents 1.0 in the JSON format. The channel is `channel`, otherwise `subject` (PROTOCOL.md section 8.5).',
    examples: [
      { specversion: '1.0', id: '1', source: '/shop', type: 'order.paid', subject: 'orders.42', data: { total: 42 } },
    ],
  },
);
