import { administrationRoutes } from '../administration/routes.ts';
import { disconnectOnRevocation, type RevokedSessions } from '../auth/disconnect-revoked.ts';
import { clientRoutes } from '../http/client-route.ts';
import { HttpFrontend } from '../http/http-frontend.ts';
import type { Route } from '../http/route.ts';
import type { Services } from '../http/services.ts';
import type { TlsCertificate } from '../http/tls-certificate.ts';
import { builtFile } from '../operate/built-file.ts';
import { healthRoutes } from '../operate/health-routes.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { subscriptionRoutes } from '../subscriptions/http/routes.ts';
import { VERSION, type HubBase } from './base.ts';
import type { DialectService } from '../subscriptions/dialects/dialect-service.ts';
import { openDialects } from './dialects.ts';
import { watchCertificate } from './listen.ts';
import { createServices, type ServiceParts } from './services.ts';
import { subscriptionParts } from './subscription-parts.ts';
import { httpSettings } from './transport-settings.ts';

/** The part of a hub that answers requests. */
export interface HttpPart {
  readonly services: Services;
  readonly dialects: DialectService;
  readonly frontend: HttpFrontend;
  /** `undefined` without TLS. */
  readonly certificate: TlsCertificate | undefined;
  readonly revoked: RevokedSessions;
}

/** The parts that routes work with. */
export interface HttpNeeds extends ServiceParts {
  readonly guardedFetch: GuardedFetch;
  /** Routes in addition to the hub's own. */
  readonly routes: readonly Route[];
}

export async function openHttp(base: HubBase, needs: HttpNeeds): Promise<HttpPart> {
  const { config, shutdown } = base;
  const { engine, eventTypes, guardedFetch, identity, sessions } = needs;
  const services = createServices(base, needs);
  const { audit } = identity.store;
  const parts = subscriptionParts(config, { services, engine, audit, eventTypes });
  const dialects = openDialects(config, { parts, engine, outgoing: guardedFetch, audit });
  shutdown.add('dialects', () => dialects.close());
  const settings = await httpSettings(config);
  const frontend = new HttpFrontend(services, settings, [
    ...hubHealthRoutes(base, needs),
    ...administrationRoutes({ services, ...identity.store, access: identity.access }),
    ...subscriptionRoutes(parts),
    ...dialects.routes,
    ...clientRoutes((name) => builtFile(name, `client/generated/${name}`)),
    ...needs.routes,
  ]);
  const { server, http2 } = frontend;
  let serverClosed: Promise<void> | undefined;
  shutdown.add('requests', () => frontend.drain());
  shutdown.add('connections', () => {
    serverClosed = new Promise((resolve) => server.close(() => resolve()));
  });
  shutdown.add('sockets', async () => {
    server.closeAllConnections();
    http2.destroy();
    await serverClosed;
  });
  const certificate = watchCertificate(config, settings.tls, server, services);
  shutdown.add('tasks', () => certificate?.close());
  return { services, dialects, frontend, certificate, revoked: disconnectOnRevocation(identity.authority, sessions) };
}

function hubHealthRoutes({ metrics, shutdown }: HubBase, { log, identity, engine }: HttpNeeds): readonly Route[] {
  return healthRoutes({
    metrics,
    version: VERSION,
    notReadyReason: () => (shutdown.state === 'open' ? log.state.unavailable : 'draining'),
    problems: () => [
      ...((log.stats()['damagedRanges'] ?? 0) > 0 ? ['log_damaged'] : []),
      ...(identity.store.hasLostCommits ? ['identity_incomplete'] : []),
      ...(engine.hasLostCommits ? ['subscriptions_incomplete'] : []),
    ],
  });
}
