import * as z from 'zod';
import { anyValue, named, shortText } from '../http/openapi/schemas.ts';
import {
  headerParameter,
  json,
  pathParameter,
  response,
  withHeaders,
  type RouteDescription,
} from '../http/route-description.ts';
import { published } from '../publishing/schemas.ts';
import { PROVIDERS } from './providers.ts';

const duplicate = named('Duplicate', () => z.object({ duplicate: z.literal(true) }), {
  description: 'The delivery was published before.',
});

/** `POST /v1/ingest/{source}`. */
export function describeIngest(): RouteDescription {
  return {
    operationId: 'ingest',
    summary: "Publishes a third party's webhook.",
    section: '8.8',
    details:
      'The hub verifies the signature of the provider that `ingest` configures for this source, over the bytes of the body. The body becomes the `data` of the event. The signature is the only credential.',
    parameters: [
      pathParameter('source', shortText(64, 'github'), 'The name of the source in the configuration.'),
      ...Object.entries(PROVIDERS).map(([name, { signatureHeader }]) =>
        headerParameter(signatureHeader, z.string(), `The signature, of the provider \`${name}\`.`),
      ),
    ],
    bodies: [json(anyValue({}), 'The webhook as the provider sends it.', { action: 'opened', number: 7 })],
    responses: [
      response(201, 'The event is durable.', json(published(), 'The published data.')),
      withHeaders(
        response(
          200,
          'The delivery was published within the last 24 hours.',
          json(duplicate(), 'Nothing was published.'),
        ),
        { 'Idempotency-Replayed': '`true`' },
      ),
    ],
    errors: [
      'not_found',
      'signature_missing',
      'signature_invalid',
      'signature_expired',
      'invalid_header',
      'invalid_body',
      'invalid_event',
      'invalid_json',
      'invalid_utf8',
      'json_too_deep',
      'unsupported_media_type',
      'request_timeout',
      'body_too_large',
      'event_too_large',
      'event_invalid',
      'rate_limited',
      'channel_limit',
      'log_unavailable',
      'log_full',
      'overloaded',
      'draining',
    ],
  };
}
