import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { newestReadable } from '../../../core/newest-event.ts';
import type { Sender, SubscriptionService } from '../../state/ports.ts';
import type { WebSubSettings } from './settings.ts';
import type { Route } from '../../../http/route.ts';
import type { Services } from '../../../http/services.ts';
import { storedContent } from '../../../streams/stored-content.ts';
import { SubscriberCount } from './subscriber-count.ts';
import { ExternalTopics, type FetchTopic } from './external-topics.ts';
import { websubRoutes } from './routes.ts';
import { WebSubHub, type WebSubHubParts } from './websub-hub.ts';

export interface WebSubNeeds {
  readonly services: Services;
  readonly subscriptions: SubscriptionService;
  readonly sender: Sender;
  readonly settings: WebSubSettings;
  readonly webhookDefaults: WebSubHubParts['webhookDefaults'];
  readonly fetchTopic: FetchTopic;
}

/** Creates the WebSub hub and its parts. `routes` is empty if WebSub is disabled. */
export function openWebSub({
  services,
  subscriptions,
  sender,
  settings,
  webhookDefaults: deliveries,
  fetchTopic,
}: WebSubNeeds): {
  readonly routes: readonly Route[];
  /** The bounded queues, for the memory metrics. */
  readonly held: Readonly<Record<'websub_requests' | 'websub_pings', MemoryUsage>>;
  start(): void;
  close(): Promise<void>;
} {
  const { feed, publisher, authority, clock, random, wheel, logger } = services;
  const subscriberCount = new SubscriberCount(subscriptions, clock);
  const externalTopics = new ExternalTopics({
    fetchTopic,
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
  const head = (): number => feed.head;
  const hub = new WebSubHub({
    subscriptions,
    sender,
    authority,
    clock,
    random,
    externalTopics,
    subscriberCount,
    settings,
    webhookDefaults: deliveries,
    logger,
    head,
  });
  return {
    routes: settings.enabled ? websubRoutes(hub, services.settings.publicUrl) : [],
    held: {
      get websub_requests() {
        return hub.waiting;
      },
      get websub_pings() {
        return externalTopics.waiting;
      },
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
