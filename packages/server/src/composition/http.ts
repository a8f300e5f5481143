import { answerOtherHubs } from '../administration/hub-answers.ts';
import { administrationRoutes } from '../administration/routes.ts';
import { configurationRoute } from '../administration/configuration-route.ts';
import { statusHistoryRoute } from '../administration/status-history-route.ts';
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
import { portalPage } from '../portal/portal-page.ts';
import { assetPath, findAsset, packageVersion } from '../platform/package-files.ts';
import type { ErasureTask } from '../operate/erasure-task.ts';
import { ingestRoute, type IngestParts } from '../ingest/ingest-route.ts';
import { readIngestSources } from '../ingest/ingest-sources.ts';
import { healthRoutes, type Health } from '../operate/health-routes.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { subscriptionRoutes } from '../subscriptions/http/routes.ts';
import type { ReloadOutcome } from '../administration/reload-route.ts';
import type { Config } from '../config/parse.ts';
import type { Actor } from '../core/audit.ts';
import type { Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';
import type { ClusterHttp } from './cluster/cluster-http.ts';
import type { DialectService } from '../subscriptions/dialects/dialect-service.ts';
import { auditedByConsole, consoleRoutes } from './console.ts';
import { createExplainRoute } from './sessions.ts';
import { statusReader } from './hub-status.ts';
import { openDialects } from './dialects.ts';
import { openStatusHistory } from './status-history.ts';
import type { StatusHistory } from '../operate/status-history/status-history.ts';
import { configurationView, type ShownField } from '../config/configuration-view.ts';
import { hubSelf } from './cluster/hub-self.ts';
import { addressOf, reloadCertificate, watchCertificate } from './listen.ts';
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
  readonly statusHistory: StatusHistory;
  /** Reads the configuration again, for this actor. */
  readonly reload: (by: Actor) => Promise<ReloadOutcome>;
}

/** The parts that routes work with. */
export interface HttpNeeds extends TransportNeeds {
  readonly sharedSubscriptions: Storage['sharedSubscriptions'];
  readonly guardedFetch: GuardedFetch;
  readonly erasure: ErasureTask;
  /** Routes in addition to the hub's own. */
  readonly routes: readonly Route[];
  /** Reads the configuration again. */
  readonly loadConfig: () => Promise<Config>;
  /** Where each field of the configuration was set. */
  readonly origins: () => ReadonlyMap<string, string>;
}

export async function openHttp(base: HubBase, needs: HttpNeeds): Promise<HttpPart> {
  const { config, shutdown, reloader } = base;
  const { guardedFetch, identity, sessions, loadConfig, processes } = needs;
  const cluster = await openClusterHttp(base, needs);
  const parts = createTransports(base, needs, cluster);
  const { audit } = identity.store;
  const subscriptions = subscriptionParts(config, { ...needs, ...identity.store, streams: parts.streams });
  const dialects = openDialects(base, { parts: subscriptions, streams: parts.streams, outgoing: guardedFetch });
  shutdown.add('dialects', () => dialects.close());
  const settings = { ...(await httpSettings(config)), connectionsMax: base.connectionsMax(config) };
  const health = healthOf(base, needs);
  const streams = streamHandlers(parts.streams);
  const checkSessions = (): Promise<number> => parts.reauthorizer.checkAll(sessions);
  const reloadOwn = (by: Actor): Promise<ReloadOutcome> => reloader.reload({ loadConfig, audit, checkSessions }, by);
  const reload = processes?.reload(reloadOwn) ?? reloadOwn;
  const documents = {
    openApi: () => openApiDocument(packageVersion(), routes),
    asyncApi: () => asyncApiDocument(packageVersion()),
  };
  const self = hubSelf(base, { ...needs, ...health, address: () => addressOf(frontend.server, config)?.url ?? '' });
  const ownStatus = statusReader(base, { ...needs, ...health, ...self, certificate: () => certificate?.stats });
  const readStatus = processes?.status(ownStatus) ?? ownStatus;
  const statusHistory = openStatusHistory(base, readStatus);
  const administration = {
    ...parts.streams,
    log: needs.log,
    journal: needs.journal,
    ...identity.store,
    access: identity.access,
    erasure: needs.erasure,
    ...self,
    reload,
  };
  answerOtherHubs(administration);
  const allRoutes: readonly Route[] = [
    ...streams.routes,
    ...publishRoutes(parts.publishing),
    ingestRoute(createIngest(base, needs)),
    ...healthRoutes({ ...health, metrics: processes?.metrics(base.metrics) ?? base.metrics, documents }),
    statusRoute(readStatus),
    statusHistoryRoute((seconds, afterMs) => statusHistory.page(seconds, afterMs), self.place),
    configurationRoute(() => configurationInForce(base, needs.origins()), self.place),
    ...administrationRoutes(administration),
    ...consoleRoutes(config, { ...administration, logins: identity.logins }),
    createExplainRoute(base, needs, parts.streams.auth),
    ...subscriptionRoutes(subscriptions),
    ...dialects.routes,
    ...portalPage(assetPath('console'), config.portal.frameOrigins),
    ...clientRoutes((name) => findAsset(assetPath('client', name))),
    ...needs.routes,
  ];
  const routes = processes?.routes(allRoutes) ?? allRoutes;
  const handlers = {
    ...streams,
    routes: routes.map((route) =>
      withAuthorization(parts.request, auditedByConsole(route, { logins: identity.logins, audit })),
    ),
  };
  const frontend = new HttpFrontend(parts.frontend, settings, cluster?.handlers(handlers) ?? handlers);
  cluster?.serve(frontend);
  const { server } = frontend;
  let serverClosed: Promise<void> | undefined;
  shutdown.add('requests', () => frontend.drain());
  shutdown.add('connections', () => {
    serverClosed = new Promise((resolve) => server.close(() => resolve()));
  });
  shutdown.add('sockets', async () => {
    frontend.destroyConnections();
    await serverClosed;
  });
  const certificate = watchCertificate(config, settings.tls, server, base);
  shutdown.add('tasks', () => certificate?.close());
  reloader.add((next) => () => {
    frontend.setLimits({ ...httpLimits(next), connectionsMax: base.connectionsMax(next) });
    return certificate === undefined ? [] : reloadCertificate(certificate, next);
  });
  const revoked = disconnectOnRevocation(parts.request.auth.authority, sessions);
  return { parts, dialects, frontend, routes, certificate, statusHistory, revoked, reload };
}

/** The configuration, with the number of connections that the hub accepts. */
function configurationInForce(
  { reloader: { config }, connectionsMax }: HubBase,
  origins: ReadonlyMap<string, string>,
): readonly ShownField[] {
  const value = connectionsMax(config);
  return configurationView(config, origins).map((field) =>
    field.path === 'limits.connectionsMax' && field.value !== value
      ? { ...field, value, origin: 'limit of open files' }
      : field,
  );
}

/** The HTTP of a hub in a cluster. Others load nothing for it. */
async function openClusterHttp(
  base: HubBase,
  { log, sharedSubscriptions, identity }: HttpNeeds,
): Promise<ClusterHttp | undefined> {
  if (base.config.cluster.nats.length === 0) return undefined;
  const { clusterHttp, followerHttp } = await import('./cluster/cluster-http.ts');
  if (sharedSubscriptions === undefined) return followerHttp(log);
  const { keys } = identity.store;
  return clusterHttp(base, log, sharedSubscriptions, (key, issuedMs) => keys.principalIssuedAt(key, issuedMs));
}

function healthOf(
  { shutdown }: HubBase,
  { log, identity, engine }: HttpNeeds,
): Pick<Health, 'notReadyReason' | 'problems'> {
  return {
    notReadyReason: () => (shutdown.state === 'open' ? (log.notReadyReason ?? log.state.unavailable) : 'draining'),
    problems: () => [
      ...((log.stats()['damagedRanges'] ?? 0) > 0 ? ['log_damaged'] : []),
      ...(identity.store.hasLostCommits ? ['identity_incomplete'] : []),
      ...(engine.hasLostCommits ? ['subscriptions_incomplete'] : []),
      ...(log.problems ?? []),
    ],
  };
}

/**
 * The parts of the route for third parties' webhooks. A reload reads all keys again.
 * @throws ConfiguredKeyError
 */
function createIngest({ config, world, reloader }: HubBase, { feed, eventPublisher }: HttpNeeds): IngestParts {
  const sources = readIngestSources(config.ingest, process.env);
  const parts: IngestParts = { publisher: eventPublisher, feed, clock: world.clock, sources };
  reloader.add((next) => {
    const nextSources = readIngestSources(next.ingest, process.env);
    return () => void (parts.sources = nextSources);
  });
  return parts;
}
