import type { Route } from '../transports/http-transport.ts';
import { auditRoute } from './audit-route.ts';
import type { Administration } from './administration.ts';
import { explainRoute } from './explain-route.ts';
import { keysRoutes } from './keys-routes.ts';
import { revocationsRoute } from './revocations-route.ts';
import { usersRoutes } from './users-routes.ts';

/** What those with a key for `admin`, of users also one for `users`, may ask (PROTOCOL.md section 13.1). */
export function administrationRoutes(administration: Administration): readonly Route[] {
  return [
    ...keysRoutes(administration),
    revocationsRoute(administration),
    auditRoute(administration),
    explainRoute(administration),
    ...usersRoutes(administration),
  ];
}
