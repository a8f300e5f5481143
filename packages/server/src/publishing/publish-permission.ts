import { PolycastError } from '@polycast/protocol';
import type { Author, PublishRequest } from '../core/publish.ts';
import { authorOf } from '../auth/author.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';

/** A request that publishes, and the author that its events carry. */
export interface RequestPublisher {
  readonly request: AuthorizedRequest;
  readonly author: Author | undefined;
}

/** @throws PolycastError `invalid_parameter` */
export function publisherOf(request: AuthorizedRequest): RequestPublisher {
  return { request, author: authorOf(request) };
}

/** Adds the author, which only the hub sets. */
export function withAuthor({ author }: RequestPublisher, publish: PublishRequest): PublishRequest {
  return author === undefined ? publish : { ...publish, author };
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
    return withAuthor(publisher, publish);
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
