import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { addressOf } from '../../transports/client-address.ts';
import type { Route } from '../../transports/http-transport.ts';
import { parseMediaType } from '../../transports/media-type.ts';
import { readBody, utf8Text } from '../../transports/request-body.ts';
import { respondEmpty } from '../../transports/respond.ts';
import type { Services } from '../../transports/services.ts';
import type { WebSub } from './websub.ts';

/** Callback, topic and secret are of some 4 KiB at most; publishers may name many topics at once. */
const BODY_BYTES_MAX = 64 * 1024;

/** `POST /v1/websub` (PROTOCOL.md section 14.7). */
export function websubRoutes(services: Services, hub: WebSub, publicUrl: string | undefined): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/websub',
      async handle(request, response) {
        const form = await readForm(services, request);
        const taken = hub.take({
          form,
          bases: basesOf(request, publicUrl),
          by: { kind: 'anonymous', address: addressOf(services, request) },
        });
        respondEmpty(response, taken === 'intent' ? 202 : 204);
      },
    },
  ];
}

async function readForm(services: Services, request: IncomingMessage): Promise<URLSearchParams> {
  const { wheel, bodies, settings } = services;
  if (parseMediaType(request.headers['content-type'])?.essence !== 'application/x-www-form-urlencoded')
    throw new PolycastError('unsupported_media_type', 'Send application/x-www-form-urlencoded.');
  const bodyBytesMax = Math.min(BODY_BYTES_MAX, settings.bodyBytesMax);
  const bytes = await readBody(request, {
    wheel,
    bodies,
    settings: { bodyBytesMax, bodyTimeoutMs: settings.bodyTimeoutMs },
  });
  return new URLSearchParams(utf8Text(bytes));
}

/** Where this hub is: as it is configured, and as this request has found it. */
function basesOf(
  { headers: { host = '' }, socket }: IncomingMessage,
  publicUrl: string | undefined,
): [string, ...string[]] {
  const scheme = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http';
  const here = URL.canParse(`${scheme}://${host}`) ? [new URL(`${scheme}://${host}`).origin] : [];
  const [first = 'http://localhost', ...others] = publicUrl === undefined ? here : [publicUrl, ...here];
  return [first, ...others];
}
