import type { Publisher, PublishRequest } from '../../core/publish.ts';

/** What is told of subscriptions, on `polycast.subscriptions.<id>` (PROTOCOL.md section 14.4). */
export type LifecycleEvent = 'suspended' | 'resumed' | 'failing' | 'dead-letter' | 'dead-gap' | 'ended' | 'verified';

export type PublishLifecycleEvent = (
  subscription: string,
  event: LifecycleEvent,
  data: Readonly<Record<string, unknown>>,
) => void;

interface LifecyclePublisherParts {
  readonly publisher: Publisher;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Tells it all once; what the log does not take is logged, and holds up nobody. */
export function createLifecyclePublisher({ publisher, logger }: LifecyclePublisherParts): PublishLifecycleEvent {
  return (subscription, event, data) => {
    const request: PublishRequest = {
      channel: `polycast.subscriptions.${subscription}`,
      type: `polycast.subscription.${event}`,
      content: `"data":${JSON.stringify({ subscription, ...data })}`,
      idempotencyKey: undefined,
      ifMatch: undefined,
    };
    publisher.publishOne(request).then((result) => {
      if (!result.ok)
        logger.warn({ subscription, news: event, code: result.error.code }, 'news of a subscription are lost');
    });
  };
}
