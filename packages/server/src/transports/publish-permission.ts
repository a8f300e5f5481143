import { PolycastError } from '@polycast/protocol';
import type { Author, PublishRequest } from '../core/publish.ts';
import { authorOf } from './author.ts';
import type { AuthorizedRequest } from './authorized-request.ts';

/** Who publishes, and what the events say of that. */
export interface By {
  readonly request: AuthorizedRequest;
  readonly author: Author | undefined;
}

/** @throws PolycastError `invalid_parameter` */
export function publisherOf(request: AuthorizedRequest): By {
  return { request, author: authorOf(request) };
}

/** What is the hub's to say; no publisher can say it. */
export function signedBy({ author }: By, publish: PublishRequest): PublishRequest {
  return author === undefined ? publish : { ...publish, author };
}

/** The event as it may be published, or why not. What is permitted has to be published by way of `stillPermitted`. */
export async function permit(by: By, publish: PublishRequest): Promise<PublishRequest | PolycastError> {
  try {
    by.request.check();
    await by.request.allow('publish', [publish.channel]);
    return signedBy(by, publish);
  } catch (error) {
    if (!(error instanceof PolycastError)) throw error;
    by.request.noteRefusal(error);
    return error;
  }
}

/** While others of them were asked about, the caller may have been revoked: to be asked in the turn in which they are published. */
export function stillPermitted<Event>(by: By, events: readonly Event[]): readonly (Event | PolycastError)[] {
  try {
    by.request.check();
    return events;
  } catch (error) {
    if (!(error instanceof PolycastError)) throw error;
    by.request.noteRefusal(error);
    return events.map((event) => (event instanceof PolycastError ? event : error));
  }
}
