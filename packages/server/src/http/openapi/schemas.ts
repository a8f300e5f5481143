import { CHANNEL, CHANNEL_LENGTH_MAX, CURSOR, PATTERN, TYPE_LENGTH_MAX } from '@polycast/protocol';
import * as z from 'zod';
import type { Content } from '../route-description.ts';
import { USER_LENGTH_MAX } from '../../core/access/private-channel.ts';

/**
 * A schema that several routes share, by its name: `Key` becomes `#/components/schemas/Key`. It is
 * made at its first use, because the start of a hub needs none of those that only describe.
 */
export function named<Schema extends z.ZodType>(
  id: string,
  make: () => Schema,
  meta: z.core.GlobalMeta = {},
): () => Schema {
  let schema: Schema | undefined;
  return () => (schema ??= make().meta({ id, ...meta }));
}

export const cursor: () => z.ZodString = named('Cursor', () => z.string().regex(CURSOR), {
  description: 'A place in the log (PROTOCOL.md section 2). Opaque: store it and send it back.',
  examples: ['0t24qj92dx-00000000010'],
});

export const channel: () => z.ZodString = named('Channel', () => z.string().max(CHANNEL_LENGTH_MAX).regex(CHANNEL), {
  description: 'A channel (PROTOCOL.md section 1.1).',
  examples: ['orders.42'],
});

export const pattern: () => z.ZodString = named('Pattern', () => z.string().max(CHANNEL_LENGTH_MAX).regex(PATTERN), {
  description:
    'A channel, or a pattern with `*` for one token and a last `>` for one or more (PROTOCOL.md section 1.2).',
  examples: ['orders.>'],
});

export const problem: () => z.ZodType = named(
  'Problem',
  () =>
    z.object({
      type: z.string().meta({ format: 'uri' }),
      title: z.string(),
      status: z.int(),
      code: z.string().describe('Stable. Clients base decisions on it.'),
      detail: z.string().optional(),
      retryable: z.boolean().describe('Whether the same request can succeed later without a change.'),
    }),
  { description: 'RFC 9457.' },
);

/** A cursor, or one of a few words. The route checks it. */
export function cursorOr(...words: readonly string[]): z.ZodString {
  return z.string().meta({ anyOf: [{ $ref: '#/$defs/Cursor' }, { enum: words }], examples: [words[0]] });
}

/** A time in RFC 3339. */
export function time(description?: string): z.ZodString {
  return z.string().meta({ format: 'date-time', ...(description !== undefined && { description }) });
}

/** A whole number of something. */
export function count(description?: string): z.ZodInt {
  const schema = z.int().min(0);
  return description === undefined ? schema : schema.describe(description);
}

/** A text, and what the description says of it. */
export function text(meta: z.core.GlobalMeta): z.ZodString {
  return z.string().meta(meta);
}

/** Any JSON value, and what the description says of it. */
export function anyValue(meta: z.core.GlobalMeta): z.ZodUnknown {
  return z.unknown().meta(meta);
}

/** A text of 1 to `lengthMax` characters. */
export function shortText(lengthMax: number, example: string): z.ZodString {
  const schema = z.string().min(1).max(lengthMax);
  return schema.meta({ examples: [example] });
}

export function user(): z.ZodString {
  return shortText(USER_LENGTH_MAX, 'ann');
}

export function eventType(): z.ZodString {
  return shortText(TYPE_LENGTH_MAX, 'order.paid');
}

/** A page of a list; `next` leads to the page after it. */
export function page(
  member: string,
  items: z.core.$ZodType,
  next: z.core.$ZodType,
  more: Readonly<Record<string, z.core.$ZodType>> = {},
): z.ZodType {
  return z.object({ [member]: z.array(items), next: z.nullable(next), ...more });
}

/** A member of answers about all hubs of a cluster. */
export function silentHubs(): z.ZodOptional<z.ZodInt> {
  return count('In a cluster: the number of hubs that did not answer. Their sessions are missing.').optional();
}

/** A body that is the data of an event, of any media type. */
export const BYTES: Content = {
  mediaType: 'application/octet-stream',
  schema: z.string().meta({ format: 'binary' }),
  doc: 'The data, as bytes.',
};
export const ANY_DATA: Content = { mediaType: '*/*', schema: z.unknown(), doc: 'The data, of any media type.' };
