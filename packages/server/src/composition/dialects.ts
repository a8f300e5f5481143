import type { Config } from '../config/parse.ts';
import type { MemoryUsage } from '../core/primitives/byte-budget.ts';
import type { EventTypes } from '../core/events/event-types.ts';
import type { Audit } from '../core/ports.ts';
import type { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { auditedService } from '../subscriptions/audited-service.ts';
import { rateLimitedAudit } from '../subscriptions/rate-limited-audit.ts';
import { eventTypesRoutes } from '../subscriptions/http/event-types-route.ts';
import type { SubscriptionParts } from '../subscriptions/http/parts.ts';
import { hooksRoutes } from '../subscriptions/dialects/rest-hooks/routes.ts';
import { openWebSub } from '../subscriptions/dialects/websub/open-websub.ts';
import type { Route } from '../http/route.ts';

export interface DialectDependencies {
  readonly parts: SubscriptionParts;
  readonly engine: SubscriptionEngine;
  readonly eventTypes: EventTypes;
  readonly audit: Audit;
  /** Fetches the documents that WebSub publishers have changed. */
  readonly outgoing: GuardedFetch;
}

/** The other forms of subscriptions: WebSub and REST Hooks, and the catalogue of event types. */
export interface Dialects {
  readonly routes: readonly Route[];
  readonly memoryUsage: Readonly<Record<string, MemoryUsage>>;
  /**
   * Ends the existing WebSub subscriptions that the rules no longer allow. Call it after the engine
   * has loaded them.
   */
  start(): void;
  /** Starts no new work, and finishes the work in flight. Call it before the engine closes. */
  close(): Promise<void>;
}

export function openDialects({ websub, subscriptions }: Config, dependencies: DialectDependencies): Dialects {
  const { parts, engine, eventTypes, outgoing, audit } = dependencies;
  const webSub = openWebSub({
    services: parts.services,
    // Anyone can be a WebSub subscriber, so a rate limit protects the audit log from them.
    subscriptions: auditedService(engine.subscriptions, rateLimitedAudit(audit, parts.services.clock)),
    sender: engine.sender,
    settings: websub,
    webhookDefaults: subscriptions,
    fetchTopic: async (url, bounds) => {
      const { status, headers, body } = await outgoing.fetch(url, bounds);
      return { status, contentType: headerText(headers['content-type']), body };
    },
  });
  return {
    routes: [...hooksRoutes({ ...parts, eventTypes }), ...eventTypesRoutes({ eventTypes }), ...webSub.routes],
    memoryUsage: webSub.held,
    start: () => webSub.start(),
    close: () => webSub.close(),
  };
}

function headerText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
