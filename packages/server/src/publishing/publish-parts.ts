import type { Feed } from '../core/feed.ts';
import type { EventPublisher } from '../core/publish.ts';
import type { BodyParts } from '../http/body/request-body.ts';

/** The parts of the routes that publish. */
export interface PublishParts {
  readonly publisher: EventPublisher;
  readonly feed: Feed;
  readonly body: BodyParts;
  /** The events of one body. */
  readonly batchEventsMax: number;
}
