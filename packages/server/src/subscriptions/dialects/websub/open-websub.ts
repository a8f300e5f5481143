import { newestReadable } from '../../../core/newest-event.ts';
import { storedContent } from '../../../streams/stored-content.ts';
import type { DialectDependencies, DialectService } from '../dialect-service.ts';
import { SubscriberCount } from './subscriber-count.ts';
import { ExternalTopics } from './external-topics.ts';
import { websubRoutes } from './routes.ts';
import type { WebSubSettings } from './settings.ts';
import { WebSubHub } from './websub-hub.ts';

export interface WebSubDependencies extends DialectDependencies {
  readonly settings: { readonly websub: WebSubSettings };
}

/** Creates the WebSub hub and its parts. There are no routes if WebSub is disabled. */
export function openWebSub({
  parts: { auth, feed, sender, openSubscriptions: subscriptions, settings: webhookDefaults },
  publisher,
  publicUrl,
  random,
  settings: { websub: settings },
  fetchDocument,
}: WebSubDependencies): DialectService {
  const { authority, clock, wheel, logger } = auth;
  const subscriberCount = new SubscriberCount(subscriptions, clock);
  const externalTopics = new ExternalTopics({
    fetchDocument,
    publisher,
    clock,
    wheel,
    logger,
    intervalMs: settings.fetchIntervalSeconds * 1000,
    hasSubscribers: (channel) => subscriberCount.has(channel),
    newest: async (channel) => {
      const { record, damagedThrough } = await newestReadable(feed, feed.interest([channel]));
      // If the newest event is unreadable, the content is published anew.
      return record === undefined || damagedThrough > 0 ? undefined : storedContent(record.body);
    },
  });
  const hub = new WebSubHub({
    subscriptions,
    sender,
    authority,
    clock,
    random,
    externalTopics,
    subscriberCount,
    settings,
    webhookDefaults,
    logger,
    head: () => feed.head,
  });
  return {
    routes: settings.enabled ? websubRoutes(hub, publicUrl) : [],
    get memoryUsage() {
      return { websub_requests: hub.waiting, websub_pings: externalTopics.waiting };
    },
    start: () =>
      void hub
        .endForbidden()
        .catch((error: unknown) =>
          logger.warn({ error: String(error) }, 'websub: check of subscriptions failed, retrying'),
        ),
    close: async () => {
      await Promise.all([hub.close(), externalTopics.close()]);
    },
  };
}
