import * as z from 'zod';
import { isPattern } from '@polycast/protocol';
import type { Grantee } from '../../core/access/access-policy.ts';
import { field } from './field.ts';

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
  return field(some.optional(), { form: FORM, doc, why });
}

const FORM =
  '`anyone`, `users`, `owner` (the user whose name stands where the pattern has `{user}`), `server` (with a key), `site` (it is asked), `{claim: NAME, value: VALUE}`, or a list of these, of which any will do';

/**
 * The grantees of each action on a channel. An action that is not set is left to the next rule that
 * covers the channel.
 */
export const access: Readonly<Record<'subscribe' | 'publish' | 'history' | 'presence', Grantees>> = {
  subscribe: grantees(
    'Who may read the channel. Not set in any rule nor here: `server`.',
    'Closed: what nobody has thought of is read by nobody.',
  ),
  publish: grantees(
    'Who may publish to the channel. Not set in any rule nor here: `server`.',
    "Publishers are the site's servers until a rule says otherwise.",
  ),
  history: grantees(
    'Who may read what was published before they came: `history=`, `after=earliest`, `/history`. Not set: who may subscribe. A cursor goes on where it was, by `subscribe` alone.',
    'Who may hear what comes may as a rule know what was.',
  ),
  presence: grantees(
    'Who may see who is there. Where this is set, presence is kept for the channel; not set: it is not.',
    'Presence costs memory and events, and tells who reads what.',
  ),
};

/** A channel pattern of a rule, in which one token may be `{user}`. */
export function isRulePattern(pattern: string): boolean {
  return pattern.split('{user}').length <= 2 && isPattern(pattern.replace(/(?<=^|\.)\{user\}(?=\.|$)/, '*'));
}
