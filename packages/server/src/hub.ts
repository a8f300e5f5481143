import { SESSION_TRANSPORTS, transportCounts } from '@polycast/protocol';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventTypesOf } from './config/event-schema.ts';
import { clientRate, channelRule, channelSettings } from './composition/channel-rules.ts';
import { createConfiguredAuthority } from './composition/authority.ts';
import { closeAll, openOrClose } from './composition/close-all.ts';
import { createSubscriptionEngine } from './composition/subscription-engine.ts';
import { openDialects } from './composition/dialects.ts';
import { listen, watchCertificate, type Address } from './composition/listen.ts';
import { openConfiguredStorage } from './composition/storage.ts';
import { reportLostSubscriptions } from './composition/lost-subscriptions.ts';
import { subscriptionParts } from './composition/subscription-parts.ts';
import { httpSettings, transportSettings } from './composition/transport-settings.ts';
import type { Config } from './config/parse.ts';
import { AccessPolicy } from './core/access/access-policy.ts';
import { Feed } from './core/feed.ts';
import { Publisher } from './core/publish.ts';
import { ChannelRules } from './core/access/channel-rules.ts';
import { withSystemRules } from './core/access/system-rules.ts';
import { TICK_MS, ticksOf, TimingWheel } from './core/primitives/timing-wheel.ts';
import { administrationRoutes } from './administration/routes.ts';
import { openIdentity } from './identity/identity.ts';
import { createSite } from './identity/site/site.ts';
import { createTokens } from './identity/tokens/tokens.ts';
import { createBodyEncoder } from './storage/shared/body-encoder.ts';
import { drainSessions, finishRequests } from './operate/drain.ts';
import { hubMetrics } from './operate/hub-metrics.ts';
import { healthRoutes } from './operate/health-routes.ts';
import { createLogger } from './operate/logger.ts';
import { createMetrics } from './operate/metrics.ts';
import { RetentionTask } from './operate/retention-task.ts';
import { ScrubTask } from './operate/scrub-task.ts';
import { systemWorld, type World } from './operate/world.ts';
import { builtFile } from './operate/built-file.ts';
import { createGuardedFetch, type GuardedFetch } from './outgoing/guarded-fetch.ts';
import { subscriptionRoutes } from './subscriptions/http/routes.ts';
import { ConnectionQuota } from './auth/connection-quota.ts';
import { openPresence } from './presence/open-presence.ts';
import { ByteBudget } from './core/primitives/byte-budget.ts';
import { CacheHeaders } from './http/headers/cache-headers.ts';
import { TrustedProxies } from './http/client-address.ts';
import { clientRoutes } from './http/client-route.ts';
import { Reauthorizer } from './auth/reauthorizer.ts';
import { disconnectRevoked } from './auth/disconnect-revoked.ts';
import { OriginPolicy } from './http/headers/origin-policy.ts';
import { RefusalLog, type Refusal } from './auth/refusal-log.ts';
import { HttpFrontend } from './http/http-frontend.ts';
import { routeName, type Route } from './http/route.ts';
import type { Services } from './http/services.ts';
import { Sessions } from './auth/sessions.ts';

/** A hub that listens. */
export interface Hub {
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The names of its routes: `GET /v1/channels/{channel}`. */
  readonly routes: readonly string[];
  /** The first key of a data folder that never had one. Show it: it cannot be retrieved later. */
  readonly firstKey: string | undefined;
  /**
   * Asks all clients to reconnect, paced over `drain.timeMs`, and finishes the requests in flight.
   */
  drain(): Promise<void>;
  /** Checks at once for a new certificate. */
  reloadCertificate(): Promise<void>;
  /** Ends the remaining work and closes the log. */
  close(): Promise<void>;
}

/** The parts of a hub besides its configuration. */
export interface HubParts {
  /** Routes in addition to the hub's own. */
  readonly routes?: readonly Route[];
  /** The origins of its own pages that reach it through another port, by the URL of the hub. */
  readonly ownOrigins?: (url: string) => readonly string[];
  /** Time and chance. Another world makes days pass in minutes. */
  readonly world?: World;
  /** Called with each refused request. */
  readonly refused?: ((refusal: Refusal) => void) | undefined;
}

/** Composes one hub and listens. */
export async function openHub(
  config: Config,
  { routes = [], ownOrigins = () => [], world = systemWorld, refused }: HubParts = {},
): Promise<Hub> {
  const { clock, random } = world;
  const logger = createLogger(config.logging.level, config.logging.format);
  const rules = new ChannelRules(withSystemRules(config.rules.map(channelRule)), channelSettings(config.defaults));
  const onClientError = (error: unknown): void =>
    logger.error({ error: errorText(error) }, 'outgoing: the HTTP client threw an error; the request has failed');
  const outgoing = createGuardedFetch({ ...config.outgoing, loopback: config.access === 'loopback', onClientError });
  const tokens = createTokens(config.identity, {
    clock,
    logger,
    environment: process.env,
    fetchDocument: documentFetcher(outgoing),
  });
  const storage = await openOrClose([outgoing], () => openConfiguredStorage(config, world, logger));
  const { log } = storage;
  // The log's lock on the data folder covers the identity store too.
  const identity = await openOrClose([storage, outgoing], () =>
    openIdentity(storage.identity, config.identity, clock, logger),
  );
  const access = config.access === 'rules' ? new AccessPolicy(config.rules, config.defaults) : undefined;
  const site = createSite(config.identity.site, { clock, chance: random.fraction, logger });
  const feed = new Feed(log, {
    tailBytesMax: config.delivery.tailBytesMax,
    batchBytesMax: config.delivery.batchBytesMax,
    pollBytesMax: config.delivery.pollBytesMax,
    logReadsConcurrentMax: config.delivery.logReadsConcurrentMax,
    interestsBytesMax: INTERESTS_BYTES_MIN + config.limits.connectionsMax * INTEREST_BYTES_PER_CONNECTION,
    isLatestOnly: (channel) => rules.settingsFor(channel).retain === 'latest',
    isStored: (channel) => rules.settingsFor(channel).retain === 'history',
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
    onDelivered: (records) => {
      const [first] = records;
      if (first !== undefined) metrics.observePublishToWrite(clock.nowMs() - first.timeMs);
    },
  });
  const eventTypes = eventTypesOf(config.eventTypes);
  const publisher = new Publisher(log, rules, clock, {
    eventTypes,
    clientChannelsMax: Math.floor((config.limits.channelsMax * config.limits.clientChannelsPercent) / 100),
    queueBytesMax: config.limits.appendQueueBytesMax,
    encode: createBodyEncoder(),
    fingerprint: (text) => createHash('sha256').update(text).digest('base64url'),
    onAppended: (durationMs) => metrics.observeCommit(durationMs),
    clientRate: clientRate(config),
  });
  const sessions = new Sessions();
  const wheel = new TimingWheel();
  const presence = openPresence(config, () => storage.openPresence(), { publisher, log, clock, wheel, logger });
  sessions.listen(presence);
  const engine = await openOrClose([presence, identity, storage, site, outgoing], () =>
    createSubscriptionEngine(config, {
      storage,
      feed,
      publisher,
      logger,
      world,
      version: VERSION,
      onClientError,
      answered: (durationMs) => metrics.observeWebhook(durationMs),
      liveEvents: () => {
        const { deliveries } = services.stats;
        return SESSION_TRANSPORTS.reduce((sum, transport) => sum + deliveries[transport], 0);
      },
    }),
  );
  const services: Services = {
    log,
    feed,
    publisher,
    authority: createConfiguredAuthority(access, identity, tokens, site),
    clock,
    random,
    wheel,
    sessions,
    presence,
    pull: { subscriptions: engine.subscriptions, leaseSecondsMax: config.subscriptions.leaseMaxSeconds },
    originPolicy: new OriginPolicy(config.allowedOrigins, config.identity.site.headers, config.localPages),
    cacheHeaders: new CacheHeaders(random, {
      credentialHeaders: config.identity.site.headers,
      pageMaxAgeSeconds: config.delivery.pageMaxAgeSeconds,
    }),
    trustedProxies: new TrustedProxies(config.trustedProxies, config.forwardedHeader),
    connectionQuota: new ConnectionQuota(sessions, {
      perUserMax: config.limits.connectionsPerUserMax,
      perAddressMax: config.limits.connectionsPerAddressMax,
      // Without trusted proxies the address is that of the connection, which has its own limit.
      perPublicAddressMax: config.trustedProxies.length > 0 ? config.limits.connectionsPerPublicAddressMax : null,
    }),
    // A client may always send one body.
    bodyBudget: new ByteBudget(
      config.limits.bodiesBytesMax,
      Math.max(config.limits.clientBodiesBytesMax, config.limits.bodyBytesMax),
    ),
    settings: transportSettings(config),
    refusalLog: new RefusalLog(logger, refused),
    stats: { deliveries: transportCounts(), gaps: 0, stalled: 0 },
    logger,
  };
  if (services.authority.validUntil !== undefined)
    sessions.listen(new Reauthorizer(services, ticksOf(config.identity.site.consentSecondsMin * 1000)));
  const metrics = createMetrics(
    hubMetrics({
      log,
      feed,
      publisher,
      sessions,
      deliveries: services.stats.deliveries,
      transport: services.stats,
      http2: () => transport.http2.stats,
      certificate: () => certificate?.stats,
      site: () => site.stats,
      presence: () => presence.stats,
      subscriptions: () => engine.metrics,
      identity: () => ({
        tokens: tokens.stats,
        issuers: tokens.issuers,
        keys: { count: identity.keys.count, ...identity.keys.stats },
        revocations: { kept: identity.revocations.size, made: identity.revocations.made },
        dismissed,
      }),
      refusals: () => services.refusalLog.counts,
      socketsRefused: () => transport.socketsRefused,
      held: () => ({
        bodyBudget: services.bodyBudget,
        unread_answers: transport.unreadResponses,
        ...presence.held,
        ...dialects.memoryUsage,
        ...site.held,
        ...log.memoryUsage,
      }),
      memory: () => process.memoryUsage(),
    }),
  );
  let isDraining = false;
  let dismissed = 0;
  const health = healthRoutes({
    metrics,
    version: VERSION,
    notReadyReason: () => (isDraining ? 'draining' : log.state.unavailable),
    problems: () => [
      ...((log.stats()['damagedRanges'] ?? 0) > 0 ? ['log_damaged'] : []),
      ...(identity.hasLostCommits ? ['identity_incomplete'] : []),
      ...(engine.hasLostCommits ? ['subscriptions_incomplete'] : []),
    ],
  });
  const subscriptions = subscriptionParts(config, { services, engine, audit: identity.audit, eventTypes });
  const dialects = openDialects(config, {
    parts: subscriptions,
    engine,
    eventTypes,
    outgoing,
    audit: identity.audit,
  });
  const settings = await httpSettings(config);
  const transport = new HttpFrontend(services, settings, [
    ...health,
    ...administrationRoutes({ services, ...identity, access }),
    ...subscriptionRoutes(subscriptions),
    ...dialects.routes,
    ...clientRoutes((name) => builtFile(name, `client/generated/${name}`)),
    ...routes,
  ]);
  services.authority.onRevoked((revocation) => {
    // From here on, the user is let in again only by a new answer of the site.
    if (revocation.user !== undefined) services.authority.forgetUser?.(revocation.user);
    dismissed += disconnectRevoked(sessions, revocation);
  });
  tokens.onWithdrawn((signer) => identity.revocations.endSessions({ signer, issuedBeforeMs: Infinity }));
  const retention = new RetentionTask({
    log,
    cache: feed,
    rules,
    clock,
    intervalMs: config.storage.retentionIntervalMs,
    onError: (error) => logger.error({ error: String(error) }, 'retention: removal of expired events failed, retrying'),
  });
  const scrub = new ScrubTask({
    log,
    clock,
    bytesPerSecond: config.storage.scrubBytesPerSecond,
    onError: (error) => logger.error({ error: String(error) }, 'log: scrub failed, retrying'),
  });
  const wheelTimer = setInterval(() => services.wheel.advance(), TICK_MS / world.speed);
  wheelTimer.unref();
  const identityTimer = setInterval(() => {
    identity.maintain();
    tokens.maintain();
  }, IDENTITY_UPKEEP_MS / world.speed);
  identityTimer.unref();

  const { server } = transport;
  const certificate = watchCertificate(config, settings.tls, server, services);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    isDraining = true;
    closing ??= closeAll({
      transport,
      sessions,
      presence,
      dialects,
      engine,
      retention,
      scrub,
      log,
      stopTimers: () => {
        certificate?.close();
        clearInterval(wheelTimer);
        clearInterval(identityTimer);
      },
      closeAfterLog: [outgoing, site, identity],
    });
    return closing;
  };
  let firstKey: string | undefined;
  let address: Address;
  try {
    await feed.preload();
    await presence.start();
    engine.start();
    if (engine.hasLostCommits)
      reportLostSubscriptions({
        data: config.data,
        audit: identity.audit,
        subscriptions: engine.subscriptions,
        logger,
      });
    dialects.start();
    address = await listen(server, config);
    firstKey = access === undefined ? undefined : identity.keys.createFirst();
    await identity.keys.whenDurable();
  } catch (error) {
    await close();
    throw error;
  }
  retention.start();
  scrub.start();
  const { url, port } = address;
  services.originPolicy.add(ownOrigins(url));
  logger.info({ url, data: config.data, epoch: log.state.epoch, head: log.state.head }, 'listening');

  return {
    url,
    port,
    routes: transport.routes.map(routeName),
    firstKey,
    async drain() {
      isDraining = true;
      presence.freeze();
      transport.drain();
      server.close();
      server.closeIdleConnections();
      await Promise.all([
        drainSessions(sessions, config.drain.timeMs, random.fraction),
        finishRequests(server, config.drain.timeMs),
      ]);
    },
    async reloadCertificate() {
      await certificate?.reload();
    },
    async close() {
      const isFirst = closing === undefined;
      await close();
      if (isFirst) logger.info({ url }, 'closed');
    },
  };
}

/**
 * Memory for the interests of readers. The bound has room for several ordinary interests per
 * possible connection.
 */
const INTERESTS_BYTES_MIN = 64 * 1024 * 1024;
const INTEREST_BYTES_PER_CONNECTION = 8192;
/**
 * The interval of identity maintenance: a secret may outlive the end of its overlap by this time.
 */
const IDENTITY_UPKEEP_MS = 1000;

const VERSION: string = (
  JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8')) as { version: string }
).version;

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * Fetches a document of another party. It must come by TLS, with the status 200 and without
 * redirects.
 */
function documentFetcher(
  outgoing: GuardedFetch,
): (url: string, bounds: { timeoutMs: number; bytesMax: number }) => Promise<Buffer> {
  return async (url, bounds) => {
    const { status, body } = await outgoing.fetch(url, { ...bounds, tlsOnly: true });
    if (status !== 200) throw new Error(`it was answered ${status}`);
    return body;
  };
}
