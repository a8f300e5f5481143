import * as z from 'zod';
import { PolycastError } from '@polycast/protocol';
import type { AuthorizedRequest } from '../../auth/authorized-request.ts';
import type { AuthorizedRoute } from '../../auth/route.ts';
import { userToken } from '../../core/access/private-channel.ts';
import { integer, nonEmptyText, requiring } from '../../http/body/body-schema.ts';
import { named, pattern, text, time } from '../../http/openapi/schemas.ts';
import { invalidBody } from '../../http/refusals.ts';
import { json, response } from '../../http/route-description.ts';
import { timestampOrNull } from '../../http/timestamp-text.ts';
import { channelsMember, OWNER_LENGTH_MAX } from './bodies/definition-body.ts';
import type { SubscriptionParts } from './parts.ts';
import { authorizeDelivery, scopedRoute } from './subscription-access.ts';

/** The life of a link that names none, unless the longest one is shorter. */
const LINK_SECONDS = 3600;
const LINK_SECONDS_MIN = 10;

/** The form of each variable of a theme: no value can contain a second declaration, or a URL. */
const COLOR = z
  .string()
  .regex(/^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/)
  .meta({ examples: ['#1d5f8a'] });
const THEME = {
  accent: COLOR,
  background: COLOR,
  surface: COLOR,
  text: COLOR,
  radius: z
    .string()
    .regex(/^\d{1,2}px$/)
    .meta({ examples: ['8px'] }),
  appearance: z.enum(['light', 'dark', 'auto']),
};

/** `POST /v1/portal-links` (PROTOCOL.md section 14.10): a link for one customer of the site. */
export function portalLinkRoute(parts: SubscriptionParts): AuthorizedRoute {
  const body = linkBody(parts);
  return scopedRoute(
    'POST',
    '/v1/portal-links',
    async (request) => {
      const { owner, expiresInSeconds = defaultSeconds(parts), channels, theme = {} } = await request.parse(body);
      const allowed = channels ?? channelsOf(parts, owner);
      await authorizeDelivery(parts, request.principal, allowed, undefined);
      const expiresMs = parts.auth.clock.nowMs() + expiresInSeconds * 1000;
      const { id, token } = await parts.portal.links.create(
        { owner, channels: allowed, theme, expiresMs },
        request.actor,
      );
      const url = `${baseUrl(parts, request)}/portal/#token=${token}`;
      request.respondJson(201, { id, owner, channels: allowed, url, expires: timestampOrNull(expiresMs) });
    },
    () => ({
      operationId: 'createPortalLink',
      summary: 'Creates a link to the portal, where one customer manages their own webhooks.',
      section: '14.10',
      details:
        'Show the URL in a frame, or open it. The key needs the scope `subscriptions` and the permission to subscribe, for all channels of the link.',
      bodies: [json(body, 'The customer.', { owner: 'acme', channels: ['customers.acme.>'] })],
      responses: [response(201, 'Created.', json(linkSchema(), 'The link. Its URL is shown only here.'))],
      errors: ['invalid_pattern', 'too_many_channels'],
    }),
  );
}

/** `GET /v1/portal` (PROTOCOL.md section 14.10): the link that the request comes from. */
export function portalRoute({ portal }: SubscriptionParts): AuthorizedRoute {
  return scopedRoute(
    'GET',
    '/v1/portal',
    (request) => {
      const link = portal.links.linkOf(request.principal);
      if (request.principal.portal === undefined || link === undefined)
        throw new PolycastError('forbidden', 'Only portal links have a portal.');
      const { owner, channels, theme, expiresMs } = link;
      request.respondJson(200, { owner, channels, theme, expires: timestampOrNull(expiresMs) });
    },
    () => ({
      operationId: 'readPortal',
      summary: 'Reads the portal link that the request comes from.',
      section: '14.10',
      responses: [response(200, 'The link.', json(portalSchema(), 'The owner, and what the owner may choose.'))],
    }),
  );
}

function linkBody(parts: SubscriptionParts) {
  return z
    .strictObject({
      owner: nonEmptyText(OWNER_LENGTH_MAX).describe("The site's name for the customer."),
      expiresInSeconds: integer(LINK_SECONDS_MIN, parts.portal.settings.linkSecondsMax)
        .describe(`The default is ${defaultSeconds(parts)}.`)
        .exactOptional(),
      channels: channelsMember(parts)
        .describe('The channels that the customer may subscribe to. The default is `portal.channels`.')
        .exactOptional(),
      theme: requiring(
        z.strictObject({
          accent: COLOR.exactOptional(),
          background: COLOR.exactOptional(),
          surface: COLOR.exactOptional(),
          text: COLOR.exactOptional(),
          radius: THEME.radius.exactOptional(),
          appearance: THEME.appearance.exactOptional(),
        }),
        'has the members accent, background, surface and text (colours such as #1d5f8a), radius (such as 8px) and appearance (light, dark or auto)',
      ).exactOptional(),
    })
    .meta({ id: 'NewPortalLink' });
}

function defaultSeconds({ portal: { settings } }: SubscriptionParts): number {
  return Math.min(LINK_SECONDS, settings.linkSecondsMax);
}

/** The channels of `portal.channels` for an owner. @throws PolycastError `invalid_body` */
function channelsOf({ portal: { settings } }: SubscriptionParts, owner: string): readonly string[] {
  if (settings.channels.length === 0) throw invalidBody('channels', 'is missing, and portal.channels has no default');
  return settings.channels.map((template) => template.replaceAll('{owner}', userToken(owner)));
}

function baseUrl({ portal: { publicUrl } }: SubscriptionParts, request: AuthorizedRequest): string {
  return publicUrl ?? `${request.isEncrypted ? 'https' : 'http'}://${request.header('host') ?? 'localhost'}`;
}

const linkSchema = named('PortalLink', () =>
  z.object({
    id: text({ examples: ['link_0123456789abcdef01234567'] }),
    owner: text({ examples: ['acme'] }),
    channels: z.array(pattern()),
    url: text({ examples: ['https://events.example/portal/#token=portal_…'] }),
    expires: time(),
  }),
);

const portalSchema = named('Portal', () =>
  z.object({
    owner: text({ examples: ['acme'] }),
    channels: z.array(pattern()),
    theme: z.object(THEME).partial(),
    expires: time(),
  }),
);
