import * as z from 'zod';
import { TYPE_LENGTH_MAX } from '@polycast/protocol';
import { nonEmptyText, oneOf, refuse, requiring } from '../../../http/body/body-schema.ts';
import { named, pattern, text, time } from '../../../http/openapi/schemas.ts';
import { endpointUrl, givenUrl, URL_LENGTH_MAX } from '../../http/bodies/delivery-body.ts';
import type { SubscriptionParts } from '../../http/parts.ts';
import { SUBSCRIPTION_ID } from '../../http/schemas.ts';
import { SUBSCRIPTION_STATES } from '../../state/definition.ts';

/** The formats of the body of a delivery that a hook chooses. */
export const HOOK_FORMATS = ['data', 'event', 'cloudevents'] as const;

const EVENTS_MAX = 20;

function nameSchema(example: string): z.ZodString {
  return nonEmptyText(TYPE_LENGTH_MAX).meta({ examples: [example] });
}

/** One text, or a list of texts; its value is a list in which each occurs once. */
function names(example: string): z.ZodType<readonly string[]> {
  const schema = z
    .union([nameSchema(example), z.array(nameSchema(example)).min(1).max(EVENTS_MAX)])
    .transform((given): readonly string[] => [...new Set([given].flat())]);
  return requiring(schema, `must be a string of 1 to ${TYPE_LENGTH_MAX} characters, or a list of 1 to ${EVENTS_MAX}`);
}

/** The body of a new hook. Each member has other names too (`hook-body.ts`). */
export type NewHook = ReturnType<typeof createNewHook>;

export function newHookSchema(parts: Pick<SubscriptionParts, 'sender'>): NewHook {
  let schema = made.get(parts.sender);
  if (schema === undefined) made.set(parts.sender, (schema = createNewHook(parts)));
  return schema;
}

const made = new WeakMap<SubscriptionParts['sender'], NewHook>();

function createNewHook(parts: Pick<SubscriptionParts, 'sender'>) {
  return z
    .object({
      target_url: givenUrl(parts),
      event: names('order.paid')
        .describe('Event types, or channels and patterns. Optional with `channels`.')
        .exactOptional(),
      channels: names('orders.>').describe('Only these channels, among those of the event types.').exactOptional(),
      format: oneOf(...HOOK_FORMATS).default(HOOK_FORMATS[0]),
    })
    .check((context) => {
      const { event, channels } = context.value;
      if (event === undefined && channels === undefined) refuse(context, 'is missing', ['event']);
    })
    .meta({ id: 'NewHook' });
}

/** The hooks that a request ends. */
export const HOOK_CHOICE = z
  .object({
    target_url: nonEmptyText(URL_LENGTH_MAX).meta({ format: 'uri', examples: ['https://shop.example/hook'] }),
    event: names('order.paid').describe('Only hooks for this event.').exactOptional(),
  })
  .meta({ id: 'HookChoice' });

export const hookSchema: () => z.ZodType = named('Hook', () =>
  z.object({
    id: text({ examples: [SUBSCRIPTION_ID] }),
    target_url: endpointUrl(),
    event: z.union([nameSchema('order.paid'), z.array(nameSchema('order.paid'))]),
    channels: z.array(pattern()),
    format: z.enum(HOOK_FORMATS),
    state: z.enum(SUBSCRIPTION_STATES).meta({ examples: ['active'] }),
    created: time(),
    secret: text({
      description: 'The secret for the signatures of deliveries.',
      examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    }).optional(),
  }),
);
