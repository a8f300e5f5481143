import { isChannel } from '@polycast/protocol';
import * as z from 'zod';
import { INGEST_PROVIDERS, INGEST_TOLERANCE_SECONDS_MAX, type IngestKeySettings } from '../../core/ingest-settings.ts';
import { SYSTEM_PREFIX } from '../../core/access/system-channels.ts';
import { field } from '../../settings/field.ts';

const text = (max: number): z.ZodString => z.string().min(1).max(max);

const key = z
  .strictObject({
    secret: text(8192).optional(),
    secretFile: text(4096).optional(),
    secretEnvironment: text(255).optional(),
  })
  .refine(hasOneSource, { message: 'must have one of secret, secretFile, secretEnvironment' });

function hasOneSource(value: IngestKeySettings): boolean {
  return Object.values(value).filter((given) => given !== undefined).length === 1;
}

const source = z.strictObject({
  source: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must have 1 to 64 characters of A-Z a-z 0-9 _ -'),
  provider: z.enum(INGEST_PROVIDERS),
  channel: z
    .string()
    .refine(
      (name) => isChannel(name) && !name.startsWith(SYSTEM_PREFIX),
      'must be a channel, and not begin with polycast.',
    ),
  keys: z.array(key).min(1).max(3),
  toleranceSeconds: z.int().min(1).max(INGEST_TOLERANCE_SECONDS_MAX).default(300),
});

/** The setting `ingest` (PROTOCOL.md section 8.8). */
export const ingest = field(
  z
    .array(source)
    .max(100)
    .refine(
      (list) => new Set(list.map((each) => each.source)).size === list.length,
      'must not contain two entries with the same source',
    )
    .default([]),
  {
    form: 'list of at most 100 sources: `{source, provider, channel, keys, toleranceSeconds}`',
    doc: "The third parties whose webhooks the hub verifies and publishes. `source`: the last part of the path, `/v1/ingest/{source}`, 1 to 64 characters. `provider`: `stripe`, `github`, `shopify` or `standard` (Standard Webhooks). `channel`: the channel of the events. `keys`: 1 to 3 of `secret`, `secretFile` or `secretEnvironment`, 16 characters or more, as the provider shows them. A signature by any of them is valid. For `standard` it is `whsec_…`, or `whpk_…` for an ed25519 public key. `toleranceSeconds` (300, 1 to 82,800): the tolerated difference between the time of a signature and the hub's clock. GitHub and Shopify sign no time.",
    why: 'By default the hub accepts no webhooks. Five minutes is the tolerance of Stripe and of Standard Webhooks.',
    live: true,
  },
);
