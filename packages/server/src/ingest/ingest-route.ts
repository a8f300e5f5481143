import { checkType, PolycastError } from '@polycast/protocol';
import type { Route } from '../auth/route.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';
import { toClientError } from '../core/events/entity-tag.ts';
import type { Feed } from '../core/feed.ts';
import type { Clock } from '../core/ports.ts';
import type { Author, EventPublisher } from '../core/publish.ts';
import { checkUtf8Json, isJson, parseMediaType } from '../http/body/media-type.ts';
import { decodeUtf8 } from '../http/body/request-body.ts';
import { checkJson } from '../publishing/publish-content.ts';
import { resultJson } from '../publishing/publish-result.ts';
import { describeIngest } from './description.ts';
import type { IngestSource, IngestSources } from './ingest-sources.ts';
import { readClaim } from './providers.ts';
import { isSigned, type SignatureClaim } from './signature.ts';

export interface IngestParts {
  readonly publisher: EventPublisher;
  readonly feed: Feed;
  readonly clock: Clock;
  /** A reload replaces them. */
  sources: IngestSources;
}

/**
 * `POST /v1/ingest/{source}`: publishes the webhooks of third parties (PROTOCOL.md section 8.8).
 * The signature is the credential, so the route reads no other.
 */
export function ingestRoute(parts: IngestParts): Route {
  return {
    method: 'POST',
    path: '/v1/ingest/:source',
    requires: 'nothing',
    description: describeIngest,
    handle: (request) => ingest(parts, request, request.parameters['source'] ?? ''),
  };
}

async function ingest(parts: IngestParts, request: AuthorizedRequest, name: string): Promise<void> {
  const header = (name: string): string | undefined => request.header(name);
  // Requests without a signature, or with an old one, are refused before the hub holds a body.
  const known = findSource(parts, name);
  const claim = readClaim(known.provider, header);
  checkTime(claim, known, parts.clock.nowMs());
  checkMediaType(request.headers['content-type']);
  const body = await request.body();
  // A reload can have replaced the keys meanwhile.
  const source = findSource(parts, name);
  if (!isSigned(claim, source.keys, body)) throw new PolycastError('signature_invalid');
  const json = checkJson(decodeUtf8(body));
  const { id, type } = source.provider.delivery(header, JSON.parse(json));
  const result = await parts.publisher.publishOne({
    channel: source.channel,
    type: type === undefined ? undefined : checkType(type),
    content: `"data":${json}`,
    idempotencyKey: id,
    ifMatch: undefined,
    author: authorOf(source),
  });
  // A provider may send a delivery again with another body: Stripe counts pending webhooks in it.
  if (!result.ok && result.error.code === 'idempotency_key_reused') return respondDuplicate(request);
  if (!result.ok) throw toClientError(parts.feed.epoch, result.error);
  if (result.replayed) return respondDuplicate(request);
  request.respondCreated(resultJson(parts.feed.epoch, result));
}

/** @throws PolycastError `not_found` */
function findSource({ sources }: IngestParts, name: string): IngestSource {
  const source = sources.get(name);
  if (source === undefined)
    throw new PolycastError('not_found', 'The configuration has no ingest source of this name.');
  return source;
}

/** @throws PolycastError `signature_expired` */
function checkTime({ seconds }: SignatureClaim, { toleranceSeconds }: IngestSource, nowMs: number): void {
  if (seconds === undefined) return;
  const ageSeconds = Math.floor(nowMs / 1000) - seconds;
  if (Math.abs(ageSeconds) <= toleranceSeconds) return;
  const direction = ageSeconds > 0 ? 'behind' : 'ahead of';
  throw new PolycastError(
    'signature_expired',
    `The signature is ${Math.abs(ageSeconds)} s ${direction} the clock of the hub; ${toleranceSeconds} s are tolerated.`,
    { limit: toleranceSeconds },
  );
}

/** @throws PolycastError `unsupported_media_type` */
function checkMediaType(contentType: string | undefined): void {
  const mediaType = parseMediaType(contentType);
  if (mediaType !== undefined && isJson(mediaType)) return checkUtf8Json(mediaType);
  throw new PolycastError('unsupported_media_type', 'Choose application/json as the content type of the webhook.');
}

/** Its ids are apart from the idempotency keys of servers, users and other sources. */
function authorOf({ source }: IngestSource): Author {
  return { eventMembers: undefined, clientKey: undefined, idempotencyScope: `ingest ${source}` };
}

function respondDuplicate(request: AuthorizedRequest): void {
  request.respond(200, 'application/json', '{"duplicate":true}', ['Idempotency-Replayed', 'true']);
}
