import type { Held } from '../../core/byte-budget.ts';
import { newestReadable } from '../../core/newest-event.ts';
import type { Sender, SubscriptionDesk } from '../../core/subscription/ports.ts';
import type { WebSubSettings } from '../../core/subscription/websub-settings.ts';
import type { Route } from '../../transports/route.ts';
import type { Services } from '../../transports/services.ts';
import { storedContent } from '../../transports/stored-content.ts';
import { Census } from './census.ts';
import { ForeignTopics, type FetchTopic } from './foreign-topics.ts';
import { websubRoutes } from './routes.ts';
import { WebSub, type WebSubParts } from './websub.ts';

export interface WebSubNeeds {
  readonly services: Services;
  readonly desk: SubscriptionDesk;
  readonly sender: Sender;
  readonly settings: WebSubSettings;
  readonly deliveries: WebSubParts['deliveries'];
  readonly fetchTopic: FetchTopic;
}

/** The WebSub hub with all that it is made of; without routes where it is not wanted. */
export function openWebSub({ services, desk, sender, settings, deliveries, fetchTopic }: WebSubNeeds): {
  readonly routes: readonly Route[];
  /** What waits here, and may not grow beyond its bound. */
  readonly held: Readonly<Record<'websub_requests' | 'websub_pings', Held>>;
  start(): void;
  close(): Promise<void>;
} {
  const { feed, publisher, authority, clock, random, wheel, logger } = services;
  const census = new Census(desk, clock);
  const foreign = new ForeignTopics({
    fetchTopic,
    publisher,
    clock,
    wheel,
    logger,
    intervalMs: settings.fetchIntervalSeconds * 1000,
    hasSubscribers: (channel) => census.has(channel),
    newest: async (channel) => {
      const { record, damagedThrough } = await newestReadable(feed, feed.interest([channel]));
      // What cannot be read is published anew.
      return record === undefined || damagedThrough > 0 ? undefined : storedContent(record.body);
    },
  });
  const head = (): number => feed.head;
  const hub = new WebSub({
    desk,
    sender,
    authority,
    clock,
    random,
    foreign,
    census,
    settings,
    deliveries,
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
        return foreign.waiting;
      },
    },
    start: () =>
      void hub
        .review()
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'WebSub subscriptions were not looked over')),
    close: async () => {
      await Promise.all([hub.close(), foreign.close()]);
    },
  };
}
