import { administrationRoutes } from '../administration/routes.ts';
import { statusRoute } from '../administration/status-route.ts';
import { disconnectOnRevocation, type RevokedSessions } from '../auth/disconnect-revoked.ts';
import { clientRoutes } from '../http/client-route.ts';
import { HttpFrontend } from '../http/http-frontend.ts';
import { openApiDocument } from '../http/openapi/document.ts';
import { withAuthorization, type Route } from '../auth/route.ts';
import { publishRoutes } from '../publishing/routes.ts';
import { asyncApiDocument } from '../streams/asyncapi/document.ts';
import { streamHandlers } from '../streams/routes.ts';
import type { TlsCertificate } from '../http/tls-certificate.ts';
import { assetPath, findAsset, packageVersion } from '../platform/package-files.ts';
import { healthRoutes, type Health } from '../operate/health-routes.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { subscriptionRoutes } from '../subscriptions/http/routes.ts';
import type { ReloadOutcome } from '../administration/reload-route.ts';
import type { Config } from '../config/parse.ts';
import type { Actor } from '../core/ports.ts';
import type { HubBase } from './base.ts';
import type { DialectService } from '../subscriptions/dialects/dialect-service.ts';
import { statusReader } from './hub-status.ts';
import { openDialects } from './dialects.ts';
import { reloadCertificate, watchCertificate } from './listen.ts';
import { createTransports, type TransportNeeds, type TransportParts } from './transports.ts';
import { subscriptionParts } from './subscription-parts.ts';
import { httpLimits, httpSettings } from './transport-settings.ts';

/** The part of a hub that answers requests. */
export interface HttpPart {
  readonly parts: TransportParts;
  readonly dialects: DialectService;
  readonly frontend: HttpFrontend;
  readonly routes: readonly Route[];
  /** `undefined` without TLS. */
  readonly certificate: TlsCertificate | undefined;
  readonly revoked: RevokedSessions;
  /** Reads the configuration again, for this actor. */
  readonly reload: (by: Actor) => Promise<ReloadOutcome>;
}

/** The parts that routes work with. */
export interface HttpNeeds extends TransportNeeds {
  readonly guardedFetch: GuardedFetch;
  /** Routes in addition to the hub's own. */
  readonly routes: readonly Route[];
  /** Reads the configuration again. */
  readonly loadConfig: () => Promise<Config>;
}

export async function openHttp(base: HubBase, needs: HttpNeeds): Promise<HttpPart> {
  const { config, shutdown, reloader } = base;
  const { engine, pullService, eventTypes, guardedFetch, identity, sessions, loadConfig } = needs;
  const parts = createTransports(base, needs);
  const { audit } = identity.store;
  const subscriptions = subscriptionParts(config, { streams: parts.streams, engine, pullService, audit, eventTypes });
  const dialects = openDialects(base, {
    parts: subscriptions,
    streams: parts.streams,
    outgoing: guardedFetch,
  });
  shutdown.add('dialects', () => dialects.close());
  const settings = await httpSettings(config);
  const health = healthOf(base, needs);
  const streams = streamHandlers(parts.streams);
  const checkSessions = (): Promise<number> => parts.reauthorizer.checkAll(sessions);
  const reload = (by: Actor): Promise<ReloadOutcome> => reloader.reload({ loadConfig, audit, checkSessions }, by);
  const documents = {
    openApi: () => openApiDocument(packageVersion(), routes),
    asyncApi: () => asyncApiDocument(packageVersion()),
  };
  const routes: readonly Route[] = [
    ...streams.routes,
    ...publishRoutes(parts.publishing),
    ...healthRoutes({ ...health, metrics: base.metrics, documents }),
    statusRoute(statusReader(base, { ...needs, ...health, certificate: () => certificate?.stats })),
    ...administrationRoutes({ ...parts.streams, log: needs.log, ...identity.store, access: identity.access, reload }),
    ...subscriptionRoutes(subscriptions),
    ...dialects.routes,
    ...clientRoutes((name) => findAsset(assetPath('client', name))),
    ...needs.routes,
  ];
  const frontend = new HttpFrontend(parts.frontend, settings, {
    ...streams,
    routes: routes.map((route) => withAuthorization(parts.request, route)),
  });
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
  const certificate = watchCertificate(config, settings.tls, server, base);
  shutdown.add('tasks', () => certificate?.close());
  reloader.add((next) => () => {
    frontend.setLimits(httpLimits(next));
    return certificate === undefined ? [] : reloadCertificate(certificate, next);
  });
  const revoked = disconnectOnRevocation(identity.authority, sessions);
  return { parts, dialects, frontend, routes, certificate, revoked, reload };
}

function healthOf(
  { shutdown }: HubBase,
  { log, identity, engine }: HttpNeeds,
): Pick<Health, 'notReadyReason' | 'problems'> {
  return {
    notReadyReason: () => (shutdown.state === 'open' ? log.state.unavailable : 'draining'),
    problems: () => [
      ...((log.stats()['damagedRanges'] ?? 0) > 0 ? ['log_damaged'] : []),
      ...(identity.store.hasLostCommits ? ['identity_incomplete'] : []),
      ...(engine.hasLostCommits ? ['subscriptions_incomplete'] : []),
    ],
  };
}
