import type { Publisher, PublishRequest } from '../../core/publish.ts';

/**
 * Events about a subscription, published to `polycast.subscriptions.<id>` (PROTOCOL.md section
 * 14.4).
 */
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

/** Publishes each event once and waits for nothing. An event that the log refuses is logged. */
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
        logger.warn(
          { subscription, event, code: result.error.code },
          'subscriptions: publishing a lifecycle event failed, the event is lost',
        );
    });
  };
}
