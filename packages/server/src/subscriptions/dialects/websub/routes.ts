import { PolycastError } from '@polycast/protocol';
import type { AuthorizedRequest } from '../../../auth/authorized-request.ts';
import { parseMediaType } from '../../../http/body/media-type.ts';
import { decodeUtf8 } from '../../../http/body/request-body.ts';
import { response } from '../../../http/route-description.ts';
import type { Route } from '../../../auth/route.ts';
import { HUB_REQUEST } from './parameters.ts';
import type { WebSubHub } from './websub-hub.ts';

/**
 * Callback, topic and secret take about 4 KiB at most. A publisher may name many topics in one
 * ping.
 */
const BODY_BYTES_MAX = 64 * 1024;

/** `POST /v1/websub` (PROTOCOL.md section 14.7). */
export function websubRoutes(hub: WebSubHub, publicUrl: string | undefined): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/websub',
      requires: 'nothing',
      description: () => ({
        operationId: 'askWebSub',
        summary: 'The WebSub hub: subscribes, unsubscribes, and accepts pings of publishers.',
        section: '14.7',
        details: 'Anybody may send a request. The hub verifies the callback first, and notifies it of a denial.',
        bodies: [
          {
            mediaType: 'application/x-www-form-urlencoded',
            schema: HUB_REQUEST,
            doc: 'The request.',
            example: {
              'hub.mode': 'subscribe',
              'hub.topic': 'https://hub.example/v1/channels/orders.42',
              'hub.callback': 'https://shop.example/hook',
            },
          },
        ],
        responses: [
          response(202, 'The hub will verify the callback.'),
          response(204, 'The ping is accepted (`publish`).'),
        ],
        errors: [
          'invalid_body',
          'invalid_utf8',
          'unsupported_media_type',
          'body_too_large',
          'request_timeout',
          'origin_not_allowed',
          'endpoint_refused',
          'rate_limited',
          'overloaded',
          'draining',
        ],
      }),
      async handle(request) {
        const form = await readForm(request);
        const accepted = hub.accept({
          form,
          bases: basesOf(request, publicUrl),
          by: request.actor,
        });
        request.respondEmpty(accepted === 'intent' ? 202 : 204);
      },
    },
  ];
}

async function readForm(request: AuthorizedRequest): Promise<URLSearchParams> {
  if (parseMediaType(request.headers['content-type'])?.essence !== 'application/x-www-form-urlencoded')
    throw new PolycastError('unsupported_media_type', 'Send application/x-www-form-urlencoded.');
  return new URLSearchParams(decodeUtf8(await request.body(BODY_BYTES_MAX)));
}

/** The URLs of this hub: the configured one, and the one that this request used. */
function basesOf(
  { headers: { host = '' }, isEncrypted }: AuthorizedRequest,
  publicUrl: string | undefined,
): [string, ...string[]] {
  const scheme = isEncrypted ? 'https' : 'http';
  const here = URL.canParse(`${scheme}://${host}`) ? [new URL(`${scheme}://${host}`).origin] : [];
  const [first = 'http://localhost', ...others] = publicUrl === undefined ? here : [publicUrl, ...here];
  return [first, ...others];
}
