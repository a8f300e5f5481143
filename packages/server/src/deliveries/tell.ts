import type { Publisher, PublishRequest } from '../core/publish.ts';

/** What is told of subscriptions, on `polycast.subscriptions.<id>` (PROTOCOL.md section 14.4). */
export type SubscriptionNews = 'suspended' | 'resumed' | 'failing' | 'dead-letter' | 'dead-gap' | 'ended' | 'verified';

export type Tell = (subscription: string, news: SubscriptionNews, data: Readonly<Record<string, unknown>>) => void;

interface TellParts {
  readonly publisher: Publisher;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Tells it all once; what the log does not take is logged, and holds up nobody. */
export function createTell({ publisher, logger }: TellParts): Tell {
  return (subscription, news, data) => {
    const request: PublishRequest = {
      channel: `polycast.subscriptions.${subscription}`,
      type: `polycast.subscription.${news}`,
      content: `"data":${JSON.stringify({ subscription, ...data })}`,
      idempotencyKey: undefined,
      ifMatch: undefined,
    };
    publisher.publishOne(request).then((result) => {
      if (!result.ok) logger.warn({ subscription, news, code: result.error.code }, 'news of a subscription are lost');
    });
  };
}
