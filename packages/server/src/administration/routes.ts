import type { Route } from '../transports/route.ts';
import { auditRoute } from './audit-route.ts';
import { channelsRoute } from './channels-route.ts';
import type { Administration } from './administration.ts';
import { explainRoute } from './explain-route.ts';
import { keysRoutes } from './keys-routes.ts';
import { revocationsRoute } from './revocations-route.ts';
import { usersListRoute } from './users-list.ts';
import { usersRoutes } from './users-routes.ts';

/** What those with a key for `admin`, of users also one for `users`, may ask (PROTOCOL.md section 13.1). */
export function administrationRoutes(administration: Administration): readonly Route[] {
  return [
    ...keysRoutes(administration),
    revocationsRoute(administration),
    auditRoute(administration),
    explainRoute(administration),
    usersListRoute(administration),
    ...usersRoutes(administration),
    channelsRoute(administration),
  ];
}
