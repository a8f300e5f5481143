import * as z from 'zod';
import { isPattern } from '@polycast/protocol';
import type { Grantee } from '../../core/access/access-policy.ts';
import { field } from '../../settings/field.ts';

const granteeSchema = z.union([
  z.enum(['anyone', 'users', 'owner', 'server', 'site']),
  z.strictObject({
    claim: z.string().min(1).max(200),
    value: z.union([z.string().max(1000), z.number(), z.boolean()]),
  }),
]);

type Grantees = z.ZodOptional<z.ZodType<readonly Grantee[], unknown>>;

/** The setting for one action: one grantee, or a list of which any is sufficient. */
function grantees(doc: string, why: string): Grantees {
  const some: z.ZodType<readonly Grantee[], unknown> = z.union([
    granteeSchema.transform((grantee) => [grantee]),
    z.array(granteeSchema).min(1).max(20),
  ]);
  return field(some.optional(), { form: FORM, doc, why, live: true });
}

const FORM =
  '`anyone`, `users`, `owner` (the user named at `{user}` in the pattern), `server` (a caller with a key), `site` (the hub asks the site), `{claim: NAME, value: VALUE}`; or a list of these: one must apply';

/**
 * The grantees of each action on a channel. An action that is not set is left to the next rule that
 * covers the channel.
 */
export const access: Readonly<Record<'subscribe' | 'publish' | 'history' | 'presence', Grantees>> = {
  subscribe: grantees(
    'Who may read the channel. If neither a rule nor this sets it: `server`.',
    'Closed, so that no channel is readable by oversight.',
  ),
  publish: grantees(
    'Who may publish to the channel. If neither a rule nor this sets it: `server`.',
    "The site's servers publish, until a rule allows others.",
  ),
  history: grantees(
    'Who may read events published before they connected: `history=`, `after=earliest`, `/history`. If not set: everyone who may subscribe. Resuming from a cursor needs `subscribe` only.',
    'Those who may read new events may usually read old ones too.',
  ),
  presence: grantees(
    'Who may read the presence of the channel. The hub keeps presence only for channels where this is set.',
    'Presence costs memory and events, and shows who reads which channel.',
  ),
};

/** A channel pattern of a rule, in which one token may be `{user}`. */
export function isRulePattern(pattern: string): boolean {
  return pattern.split('{user}').length <= 2 && isPattern(pattern.replace(/(?<=^|\.)\{user\}(?=\.|$)/, '*'));
}
