import { GAP_REASONS, type Gap } from '@polycast/protocol';
import * as z from 'zod';
import { anyValue, channel, count, cursor, eventType, named, text, time, user } from '../http/openapi/schemas.ts';

/** An event as consumers receive it (PROTOCOL.md section 3). */
export const event: () => z.ZodType = named(
  'Event',
  () =>
    z.object({
      id: cursor().describe('The cursor directly after this event.'),
      channel: channel(),
      type: eventType().optional(),
      time: time('The time at which the hub accepted the event.'),
      user: text({ examples: ['ann'] }).optional(),
      origin: text({ examples: ['tab-1'] }).optional(),
      datacontenttype: text({
        description: 'The media type of the data, if it is not JSON.',
        examples: ['text/plain'],
      }).optional(),
      cloudevent: z
        .record(z.string(), z.unknown())
        .meta({
          description: 'Other attributes of a CloudEvent.',
          examples: [{ source: '/shop' }],
        })
        .optional(),
      data: anyValue({
        description: 'Any JSON value, or the text that was published.',
        examples: [{ total: 42 }],
      }).optional(),
      data_base64: text({
        contentEncoding: 'base64',
        description: 'Instead of `data`, if bytes were published.',
        examples: ['AAEC'],
      }).optional(),
    }),
  {
    examples: [
      {
        id: '0t24qj92dx-00000000010',
        channel: 'orders.42',
        type: 'order.paid',
        time: '2027-01-31T12:00:00.000Z',
        data: { total: 42 },
      },
    ],
  },
);

export function gapMembers(): Readonly<Record<keyof Gap, z.ZodType>> {
  return { from: cursor(), to: cursor(), reason: z.literal(Object.keys(GAP_REASONS)) };
}

export const gap: () => z.ZodType = named('Gap', () => z.object(gapMembers()), {
  description:
    'The hub can no longer deliver the events after `from`, up to and including `to` (PROTOCOL.md section 2.3).',
});

export const poll: () => z.ZodType = named(
  'Poll',
  () =>
    z.object({
      events: z.array(event()),
      cursor: cursor(),
      gaps: z.array(gap()),
      more: z
        .boolean()
        .describe('`true`: the hub has searched only a part of the log. Poll again immediately.')
        .optional(),
    }),
  { description: 'The `after` of the next poll.' },
);

export const history: () => z.ZodType = named(
  'History',
  () =>
    z.object({
      events: z.array(event()),
      previous: cursor().nullable().describe('The `before` of the preceding page.'),
      next: cursor().nullable().describe('The `after` of the following page.'),
      gaps: z.array(gap()),
    }),
  { description: 'Oldest event first.' },
);

export const presence: () => z.ZodType = named('Presence', () =>
  z.object({
    channel: channel(),
    cursor: cursor().describe('The cursor at which the list is valid.'),
    listed: z.boolean().describe('Whether presence events name members or only counts.'),
    users: count(),
    anonymous: count('Anonymous sessions.'),
    members: z.array(
      z.object({
        user: user(),
        info: anyValue({
          description: 'Information of the site about the user.',
          examples: [{ name: 'Ann' }],
        }).optional(),
        sessions: count(),
        since: time(),
      }),
    ),
  }),
);
