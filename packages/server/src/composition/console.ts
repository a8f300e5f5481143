import type { ConsoleSessionParts } from '../administration/console-session-routes.ts';
import { consoleSessionRoutes } from '../administration/console-session-routes.ts';
import type { Route } from '../auth/route.ts';
import type { Config } from '../config/parse.ts';
import { consolePages } from '../console/console-pages.ts';
import type { Audit } from '../core/audit.ts';
import type { ConsoleLogins } from '../identity/console/console-login.ts';
import { assetPath } from '../platform/package-files.ts';

/** The pages of the console and its login; nothing when the console is disabled. */
export function consoleRoutes(
  { console: { enabled }, publicUrl }: Config,
  parts: Omit<ConsoleSessionParts, 'cookie'>,
): readonly Route[] {
  if (!enabled) return [];
  const url = publicUrl === null ? undefined : new URL(publicUrl);
  const cookie = { path: url?.pathname ?? '/', isSecure: url?.protocol === 'https:' };
  return [...consoleSessionRoutes({ ...parts, cookie }), ...consolePages(assetPath('console'))];
}

/**
 * The same route, with an entry in the audit log for each change that somebody makes with a login
 * of the console. Other callers of the route are not affected.
 */
export function auditedByConsole(
  route: Route,
  { logins, audit }: { readonly logins: ConsoleLogins; readonly audit: Audit },
): Route {
  if (!('handle' in route) || route.method === 'GET') return route;
  const { method, handle } = route;
  return {
    ...route,
    handle(request) {
      if (request.headers.cookie !== undefined && logins.loginOf(request.principal) !== undefined) {
        const [path = ''] = request.url.split('?', 1);
        audit.record({ action: 'console.request', subject: `${method} ${path}`, by: request.actor });
      }
      return handle(request);
    },
  };
}
