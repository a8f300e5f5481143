import type { Route } from '../auth/route.ts';
import { auditRoute } from './audit-route.ts';
import { channelListRoute } from './channel-list-route.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { clusterRoute } from './cluster-route.ts';
import { erasureRoutes } from './erasure-routes.ts';
import { explainRoute } from './access-explain-route.ts';
import { keyRoutes } from './key-routes.ts';
import { reloadRoute } from './reload-route.ts';
import { revocationsRoute } from './revocations-route.ts';
import { sessionRoutes } from './session-routes.ts';
import { userListRoute } from './user-list-route.ts';
import { userRoutes } from './user-routes.ts';

/**
 * The administration routes, for keys with the scope `admin`; those about users also accept the
 * scope `users` (PROTOCOL.md section 13.1).
 */
export function administrationRoutes(administration: AdministrationParts): readonly Route[] {
  return [
    ...keyRoutes(administration),
    revocationsRoute(administration),
    auditRoute(administration),
    explainRoute(administration),
    userListRoute(administration),
    ...userRoutes(administration),
    channelListRoute(administration),
    ...erasureRoutes(administration),
    ...sessionRoutes(administration),
    reloadRoute(administration),
    clusterRoute(administration),
  ];
}
