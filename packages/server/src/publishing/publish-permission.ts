import { PolycastError } from '@polycast/protocol';
import type { Author, PublishRequest } from '../core/publish.ts';
import { authorOf } from '../auth/author.ts';
import type { AuthorizedRequest } from '../auth/authorized-request.ts';

/** Who publishes, and what the events say of that. */
export interface RequestPublisher {
  readonly request: AuthorizedRequest;
  readonly author: Author | undefined;
}

/** @throws PolycastError `invalid_parameter` */
export function publisherOf(request: AuthorizedRequest): RequestPublisher {
  return { request, author: authorOf(request) };
}

/** What is the hub's to say; no publisher can say it. */
export function withAuthor({ author }: RequestPublisher, publish: PublishRequest): PublishRequest {
  return author === undefined ? publish : { ...publish, author };
}

/** The event as it may be published, or why not. What is permitted has to be published by way of `stillPermitted`. */
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

/** While others of them were asked about, the caller may have been revoked: to be asked in the turn in which they are published. */
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
