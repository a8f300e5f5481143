import * as z from 'zod';
import { field, integerField } from './field.ts';

/**
 * The settings of `presence` (PROTOCOL.md section 13.6). Presence is on for the channels of rules
 * that set `presence`.
 */
export const presence = {
  graceSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 15 },
    {
      doc: 'Others are told that a user has left, or has other connections than before, only after it has been so for this long.',
      why: 'A page that is loaded anew, a change of transport, a lift, and a hub that is restarted (`drain.timeMs` and a few seconds) are no leaving.',
    },
  ),
  pollSeconds: integerField(
    { unit: 'seconds', min: 1, max: 3600, default: 60 },
    {
      doc: 'After a short poll its user counts as connected for this long; then `presence.graceSeconds` begin. A long poll counts while it waits.',
      why: 'Twice the 30 s at which common pages poll.',
    },
  ),
  listedMax: integerField(
    { unit: 'users', min: 1, max: 10_000, default: 1000 },
    {
      doc: 'Of a channel with more users than this only counts are told, once in `presence.graceSeconds`; with three quarters of it users are listed again.',
      why: 'Each who comes is told to all who look on, so that a crowd costs its square; and nobody reads a list of a thousand.',
    },
  ),
  systemEvents: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Publishes who comes online and goes offline on `polycast.users.online` and `polycast.users.offline`, and, where presence is kept, which channels become occupied and vacated on `polycast.channels.occupied` and `polycast.channels.vacated`.',
    why: 'Two events for each visit of each user, which a hub without a reader for them need not store.',
  }),
};
