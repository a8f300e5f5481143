import { PolycastError } from '@polycast/protocol';
import type { Author, PublishRequest } from '../core/publish.ts';
import { parseTraceContext } from '../core/events/trace-context.ts';
import { authorOf } from '../auth/author.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';

/** A request that publishes, and the author that its events carry. */
export interface RequestPublisher {
  readonly request: AuthorizedRequest;
  readonly author: Author | undefined;
  /** The trace context of the request's headers, for events without their own. */
  readonly trace: string | undefined;
}

/** @throws PolycastError `invalid_parameter` */
export function publisherOf(request: AuthorizedRequest): RequestPublisher {
  return { request, author: authorOf(request), trace: requestTrace(request) };
}

/** Adds the author, which only the hub sets, and the trace context of the request. */
export function withPublisher({ author, trace }: RequestPublisher, publish: PublishRequest): PublishRequest {
  if (author === undefined && trace === undefined) return publish;
  return { ...publish, author, trace: publish.trace ?? trace };
}

function requestTrace({ headers }: AuthorizedRequest): string | undefined {
  const { traceparent } = headers;
  return traceparent === undefined ? undefined : parseTraceContext(traceparent, headers['tracestate']);
}

/**
 * The event with its author if the caller may publish it, else the error. Pass the result through
 * `recheckPublisher` before publishing.
 */
export async function authorizePublish(
  publisher: RequestPublisher,
  publish: PublishRequest,
): Promise<PublishRequest | PolycastError> {
  try {
    publisher.request.check();
    await publisher.request.authorize('publish', [publish.channel]);
    return withPublisher(publisher, publish);
  } catch (error) {
    if (!(error instanceof PolycastError)) throw error;
    publisher.request.recordRefusal(error);
    return error;
  }
}

/**
 * Checks the caller again in the turn of publishing: it may have been revoked while other events
 * were authorized.
 */
export function recheckPublisher<Event>(
  publisher: RequestPublisher,
  events: readonly Event[],
): readonly (Event | PolycastError)[] {
  try {
    publisher.request.check();
    return events;
  } catch (error) {
    if (!(error instanceof PolycastError)) throw error;
    publisher.request.recordRefusal(error);
    return events.map((event) => (event instanceof PolycastError ? event : error));
  }
}
