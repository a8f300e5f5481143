import * as z from 'zod';
import { field, integerField } from '../../settings/field.ts';

/**
 * The settings of `presence` (PROTOCOL.md section 13.6). Presence is on for the channels of rules
 * that set `presence`.
 */
export const presence = {
  graceSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 15 },
    {
      doc: "The hub reports that a user has left, or that the user's connections have changed, only after this time.",
      why: 'A reloaded page, a change of transport, a lift and a restart of the hub (`drain.timeMs` and a few seconds) do not count as leaving.',
    },
  ),
  pollSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 60 },
    {
      doc: 'A user counts as connected for this long after a short poll; then `presence.graceSeconds` begins. A long poll counts while it waits.',
      why: 'Twice the usual polling interval of 30 s.',
    },
  ),
  listedMax: integerField(
    { unit: 'users', min: 1, max: 10_000, default: 1000 },
    {
      doc: 'For a channel with more users than this, the hub reports counts only, once per `presence.graceSeconds`. Below three quarters of it, the hub lists users again.',
      why: 'Each arrival is sent to all observers, so the cost grows with the square of the users; and nobody reads a list of a thousand.',
    },
  ),
  systemEvents: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Publishes an event on `polycast.users.online` or `polycast.users.offline` when a user goes online or offline. For channels with presence, publishes one on `polycast.channels.occupied` or `polycast.channels.vacated` when the first member joins or the last leaves.',
    why: 'Two events per visit of a user, which a hub need not store if nothing reads them.',
  }),
};
