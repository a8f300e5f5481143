import type { Config } from '../config/schema.ts';
import type { Held } from '../core/byte-budget.ts';
import type { EventTypes } from '../core/event-types.ts';
import type { Audit } from '../core/ports.ts';
import type { Deliveries } from '../deliveries/deliveries.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { auditedDesk } from '../subscriptions/audited-desk.ts';
import { boundedAudit } from '../subscriptions/bounded-audit.ts';
import { eventTypesRoutes } from '../subscriptions/event-types/routes.ts';
import type { SubscriptionParts } from '../subscriptions/parts.ts';
import { hooksRoutes } from '../subscriptions/rest-hooks/routes.ts';
import { openWebSub } from '../subscriptions/websub/open.ts';
import type { Route } from '../transports/route.ts';

export interface DialectNeeds {
  readonly parts: SubscriptionParts;
  readonly deliveries: Deliveries;
  readonly eventTypes: EventTypes;
  readonly audit: Audit;
  /** For documents that WebSub publishers have changed. */
  readonly outgoing: GuardedFetch;
}

/** Subscriptions as others have them: WebSub, REST Hooks; and the catalogue of what there is to subscribe to. */
export interface Dialects {
  readonly routes: readonly Route[];
  readonly held: Readonly<Record<string, Held>>;
  /** Looks over what there was, once it has been taken up. */
  start(): void;
  /** Begins nothing more, and finishes what is under way; before the deliveries are closed. */
  close(): Promise<void>;
}

export function openDialects({ websub, subscriptions }: Config, needs: DialectNeeds): Dialects {
  const { parts, deliveries, eventTypes, outgoing, audit } = needs;
  const webSub = openWebSub({
    services: parts.services,
    // Its subscribers are anybody: they are not to fill the audit log.
    desk: auditedDesk(deliveries.desk, boundedAudit(audit, parts.services.clock)),
    sender: deliveries.sender,
    settings: websub,
    deliveries: subscriptions,
    fetchTopic: async (url, bounds) => {
      const { status, headers, body } = await outgoing.fetch(url, bounds);
      return { status, contentType: headerText(headers['content-type']), body };
    },
  });
  return {
    routes: [...hooksRoutes({ ...parts, eventTypes }), ...eventTypesRoutes({ eventTypes }), ...webSub.routes],
    held: webSub.held,
    start: () => webSub.start(),
    close: () => webSub.close(),
  };
}

function headerText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
