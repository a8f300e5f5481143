import * as z from 'zod';
import { eventType, named, pattern, text, time } from '../../../http/openapi/schemas.ts';
import { endpointUrl } from '../../http/bodies/delivery-body.ts';
import { SUBSCRIPTION_ID } from '../../http/schemas.ts';
import { SUBSCRIPTION_STATES } from '../../state/definition.ts';
import { EVENTS_MAX, HOOK_FORMATS } from './hook-body.ts';

const events = (): z.ZodType => z.union([eventType(), z.array(eventType()).min(1).max(EVENTS_MAX)]);
const channels = (): z.ZodArray<z.ZodString> => z.array(pattern());

export const newHookSchema: () => z.ZodType = named('NewHook', () =>
  z.object({
    target_url: endpointUrl(),
    event: events().describe('Event types, or channels and patterns.'),
    channels: channels().describe('Only these channels, among those of the event types.').optional(),
    format: z.enum(HOOK_FORMATS).meta({ default: HOOK_FORMATS[0] }).optional(),
  }),
);

/** The hooks that a request ends. */
export const hookChoiceSchema: () => z.ZodType = named('HookChoice', () =>
  z.object({ target_url: endpointUrl(), event: events().describe('Only hooks for this event.').optional() }),
);

export const hookSchema: () => z.ZodType = named('Hook', () =>
  z.object({
    id: text({ examples: [SUBSCRIPTION_ID] }),
    target_url: endpointUrl(),
    event: events(),
    channels: channels(),
    format: z.enum(HOOK_FORMATS),
    state: z.enum(SUBSCRIPTION_STATES).meta({ examples: ['active'] }),
    created: time(),
    secret: text({
      description: 'The secret for the signatures of deliveries.',
      examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    }).optional(),
  }),
);
