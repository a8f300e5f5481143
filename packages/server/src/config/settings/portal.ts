import * as z from 'zod';
import { field, integerField } from '../../settings/field.ts';

const DAY_SECONDS = 86_400;

/** The settings of `portal` (PROTOCOL.md section 14.10). */
export const portal = {
  channels: field(z.array(z.string().min(1).max(200)).max(20).default([]), {
    form: 'list of at most 20 patterns (`customers.{owner}.>`)',
    doc: 'The channels of a portal link that names none. `{owner}` stands for the owner, as one token. The key that creates a link has to cover its channels.',
    why: 'Every site names its channels in its own way.',
  }),
  frameOrigins: field(z.array(z.string()).max(100).default([]), {
    form: 'list of origins (`https://app.shop.example`, `https://*.shop.example` for all sub-domains), at most 100',
    doc: 'Pages of these origins may show the portal in a frame (`frame-ancestors`).',
    why: 'None. A page that may frame the portal can try to make its visitors click in it.',
  }),
  linkSecondsMax: integerField(
    { unit: 'seconds', min: 60, max: 30 * DAY_SECONDS, default: DAY_SECONDS },
    {
      doc: 'The highest `expiresInSeconds` of a portal link. The default of a link is an hour, or this if it is shorter.',
      why: 'A day of work. The site creates a new link for each visit.',
    },
  ),
};
