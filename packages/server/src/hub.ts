import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventTypesOf } from './config/event-schema.ts';
import { clientRate, ruleOf, settingsOf } from './composition/channel-rules.ts';
import { authorityOf } from './composition/authority.ts';
import { closeAll, orClose } from './composition/closing.ts';
import { openDeliveries } from './composition/deliveries.ts';
import { openDialects } from './composition/dialects.ts';
import { listen, watchCertificate, type Address } from './composition/listening.ts';
import { openLog } from './composition/log.ts';
import { tellLostSubscriptions } from './composition/lost-subscriptions.ts';
import { subscriptionParts } from './composition/subscriptions.ts';
import { httpSettings, transportSettings } from './composition/settings.ts';
import type { Config } from './config/schema.ts';
import { Access } from './core/access.ts';
import { Feed } from './core/feed.ts';
import { Publisher } from './core/publish.ts';
import { Rules } from './core/rules.ts';
import { withSystemRules } from './core/system-rules.ts';
import { TICK_MS, ticksOf, Wheel } from './core/wheel.ts';
import { administrationRoutes } from './administration/routes.ts';
import { openIdentity } from './identity/identity.ts';
import { createSite } from './identity/site/site.ts';
import { createTokens } from './identity/tokens/tokens.ts';
import { createBodyEncoder } from './log/body-encoder.ts';
import { drainSessions, finishRequests } from './operate/drain.ts';
import { hubFigures } from './operate/figures.ts';
import { healthRoutes } from './operate/health-routes.ts';
import { createLogger } from './operate/logger.ts';
import { createMetrics } from './operate/metrics.ts';
import { RetentionTask } from './operate/retention-task.ts';
import { ScrubTask } from './operate/scrub-task.ts';
import { systemWorld, type World } from './operate/world.ts';
import { builtFile } from './operate/built-file.ts';
import { createGuardedFetch, type GuardedFetch } from './outgoing/guarded-fetch.ts';
import { subscriptionRoutes } from './subscriptions/routes.ts';
import { Admission } from './transports/admission.ts';
import { keepPresence } from './presence/keep-presence.ts';
import { ByteBudget } from './core/byte-budget.ts';
import { CacheHeaders } from './transports/cache-headers.ts';
import { TrustedProxies } from './transports/client-address.ts';
import { clientRoutes } from './transports/client-route.ts';
import { Consents } from './transports/consents.ts';
import { dismissRevoked } from './transports/dismissals.ts';
import { Origins } from './transports/origin.ts';
import { Refusals, type Refusal } from './transports/refusals.ts';
import { HttpTransport } from './transports/http-transport.ts';
import { routeName, type Route } from './transports/route.ts';
import type { Services } from './transports/services.ts';
import { Sessions } from './transports/sessions.ts';

/** A hub that listens. */
export interface Hub {
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly port: number;
  /** What it answers: `GET /v1/channels/{channel}`. */
  readonly routes: readonly string[];
  /** The first key of a data folder that never had one: to be shown, as it cannot be found out again. */
  readonly firstKey: string | undefined;
  /** Sends everyone away, paced over `drain.timeMs`; what is in flight is finished. */
  drain(): Promise<void>;
  /** Looks at once whether there is a new certificate. */
  reloadCertificate(): Promise<void>;
  /** Ends what is left and closes the log. */
  close(): Promise<void>;
}

/** What a hub is given beside its configuration. */
export interface HubParts {
  /** What is answered besides the hub's own addresses. */
  readonly routes?: readonly Route[];
  /** By its URL, the origins of its own pages that reach it by another port. */
  readonly ownOrigins?: (url: string) => readonly string[];
  /** Time and chance; another one makes days pass in minutes. */
  readonly world?: World;
  /** Told of each request that is refused. */
  readonly refused?: ((refusal: Refusal) => void) | undefined;
}

/**
 * Puts one hub together, and listens.
 */
export async function openHub(
  config: Config,
  { routes = [], ownOrigins = () => [], world = systemWorld, refused }: HubParts = {},
): Promise<Hub> {
  const { clock, random } = world;
  const logger = createLogger(config.logging.level, config.logging.format);
  const rules = new Rules(withSystemRules(config.rules.map(ruleOf)), settingsOf(config.defaults));
  const broken = (error: unknown): void =>
    logger.error({ error: errorText(error) }, 'outgoing: the HTTP client threw an error; the request has failed');
  const outgoing = createGuardedFetch({ ...config.outgoing, loopback: config.access === 'loopback', broken });
  const tokens = createTokens(config.identity, {
    clock,
    logger,
    environment: process.env,
    fetchDocument: documentBy(outgoing),
  });
  const log = await orClose([outgoing], () => openLog(config, world, logger));
  // The log's lock on the data folder stands for both.
  const identity = await orClose([log, outgoing], () => openIdentity(config.data, config.identity, clock, logger));
  const access = config.access === 'rules' ? new Access(config.rules, config.defaults) : undefined;
  const site = createSite(config.identity.site, { clock, chance: random.fraction, logger });
  const feed = new Feed(log, {
    tailBytesMax: config.delivery.tailBytesMax,
    batchBytesMax: config.delivery.batchBytesMax,
    pollBytesMax: config.delivery.pollBytesMax,
    logReadsConcurrentMax: config.delivery.logReadsConcurrentMax,
    interestsBytesMax: INTERESTS_BYTES_MIN + config.limits.connectionsMax * INTEREST_BYTES_PER_CONNECTION,
    isLatestOnly: (channel) => rules.of(channel).retain === 'latest',
    isStored: (channel) => rules.of(channel).retain === 'history',
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
    delivered: (records) => {
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
    appended: (durationMs) => metrics.observeCommit(durationMs),
    clientRate: clientRate(config),
  });
  const sessions = new Sessions();
  const wheel = new Wheel();
  const presence = keepPresence(config, { publisher, log, clock, wheel, logger });
  sessions.listen(presence);
  const deliveries = await orClose([presence, log, identity, site, outgoing], () =>
    openDeliveries(config, {
      log,
      feed,
      publisher,
      logger,
      world,
      version: VERSION,
      broken,
      answered: (durationMs) => metrics.observeWebhook(durationMs),
      liveEvents: () => {
        const { long_poll: held, sse, websocket } = services.figures.deliveries;
        return held + sse + websocket;
      },
    }),
  );
  const services: Services = {
    log,
    feed,
    publisher,
    authority: authorityOf(access, identity, tokens, site),
    clock,
    random,
    wheel,
    sessions,
    presence,
    pulling: { desk: deliveries.desk, leaseSecondsMax: config.subscriptions.leaseMaxSeconds },
    origins: new Origins(config.allowedOrigins, config.identity.site.headers, config.localPages),
    caching: new CacheHeaders(random, {
      credentialHeaders: config.identity.site.headers,
      pageMaxAgeSeconds: config.delivery.pageMaxAgeSeconds,
    }),
    proxies: new TrustedProxies(config.trustedProxies, config.forwardedHeader),
    admission: new Admission(sessions, {
      perUserMax: config.limits.connectionsPerUserMax,
      perAddressMax: config.limits.connectionsPerAddressMax,
      // Without trusted proxies the address is that of the connection, which is counted itself.
      perPublicAddressMax: config.trustedProxies.length > 0 ? config.limits.connectionsPerPublicAddressMax : null,
    }),
    // One body may always be sent.
    bodies: new ByteBudget(
      config.limits.bodiesBytesMax,
      Math.max(config.limits.clientBodiesBytesMax, config.limits.bodyBytesMax),
    ),
    settings: transportSettings(config),
    refusals: new Refusals(logger, refused),
    figures: { deliveries: { poll: 0, long_poll: 0, sse: 0, websocket: 0 }, gaps: 0, stalled: 0 },
    logger,
  };
  if (services.authority.holdsUntil !== undefined)
    sessions.listen(new Consents(services, ticksOf(config.identity.site.consentSecondsMin * 1000)));
  const metrics = createMetrics(
    hubFigures({
      log,
      feed,
      publisher,
      sessions,
      deliveries: services.figures.deliveries,
      transport: services.figures,
      http2: () => transport.http2.figures,
      certificate: () => certificate?.figures,
      site: () => site.figures,
      presence: () => presence.figures,
      subscriptions: () => deliveries.figures,
      identity: () => ({
        tokens: tokens.figures,
        issuers: tokens.issuers,
        keys: { count: identity.keys.count, ...identity.keys.figures },
        revocations: { kept: identity.revocations.size, made: identity.revocations.made },
        dismissed,
      }),
      refusals: () => services.refusals.counts,
      socketsRefused: () => transport.socketsRefused,
      held: () => ({
        bodies: services.bodies,
        unread_answers: transport.unread,
        ...presence.held,
        ...dialects.held,
        ...site.held,
        ...log.held,
      }),
      memory: () => process.memoryUsage(),
    }),
  );
  let draining = false;
  let dismissed = 0;
  const health = healthRoutes({
    metrics,
    version: VERSION,
    notReady: () => (draining ? 'draining' : log.state.unavailable),
    problems: () => [
      ...((log.figures()['damagedRanges'] ?? 0) > 0 ? ['log_damaged'] : []),
      ...(identity.hasLostCommits ? ['identity_incomplete'] : []),
      ...(deliveries.hasLostCommits ? ['subscriptions_incomplete'] : []),
    ],
  });
  const subscriptions = subscriptionParts(config, { services, deliveries, audit: identity.audit, eventTypes });
  const dialects = openDialects(config, {
    parts: subscriptions,
    deliveries,
    eventTypes,
    outgoing,
    audit: identity.audit,
  });
  const settings = await httpSettings(config);
  const transport = new HttpTransport(services, settings, [
    ...health,
    ...administrationRoutes({ services, ...identity, access }),
    ...subscriptionRoutes(subscriptions),
    ...dialects.routes,
    ...clientRoutes((name) => builtFile(name, `client/generated/${name}`)),
    ...routes,
  ]);
  services.authority.onRevoked((revocation) => {
    // Whoever is let in again from here on is so by what the site says then.
    if (revocation.user !== undefined) services.authority.forget?.(revocation.user);
    dismissed += dismissRevoked(sessions, revocation);
  });
  tokens.onWithdrawn((signer) => identity.revocations.end({ signer, issuedBeforeMs: Infinity }));
  const retention = new RetentionTask({
    log,
    memory: feed,
    rules,
    clock,
    intervalMs: config.storage.retentionIntervalMs,
    failed: (error) => logger.error({ error: String(error) }, 'retention failed; it will be tried again'),
  });
  const scrub = new ScrubTask({
    log,
    clock,
    bytesPerSecond: config.storage.scrubBytesPerSecond,
    failed: (error) => logger.error({ error: String(error) }, 'scrub of the log failed; it will be tried again'),
  });
  const turning = setInterval(() => services.wheel.advance(), TICK_MS / world.speed);
  turning.unref();
  const keeping = setInterval(() => {
    identity.upkeep();
    tokens.upkeep();
  }, IDENTITY_UPKEEP_MS / world.speed);
  keeping.unref();

  const { server } = transport;
  const certificate = watchCertificate(config, settings.tls, server, services);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    draining = true;
    closing ??= closeAll({
      transport,
      sessions,
      presence,
      dialects,
      deliveries,
      retention,
      scrub,
      log,
      stop: () => {
        certificate?.close();
        clearInterval(turning);
        clearInterval(keeping);
      },
      others: [outgoing, site, identity],
    });
    return closing;
  };
  let firstKey: string | undefined;
  let address: Address;
  try {
    await feed.preload();
    await presence.start();
    deliveries.start();
    if (deliveries.hasLostCommits)
      tellLostSubscriptions({ data: config.data, audit: identity.audit, desk: deliveries.desk, logger });
    dialects.start();
    address = await listen(server, config);
    firstKey = access === undefined ? undefined : identity.keys.createFirst();
    await identity.keys.stored();
  } catch (error) {
    await close();
    throw error;
  }
  retention.start();
  scrub.start();
  const { url, port } = address;
  services.origins.add(ownOrigins(url));
  logger.info({ url, data: config.data, epoch: log.state.epoch, head: log.state.head }, 'listening');

  return {
    url,
    port,
    routes: transport.routes.map(routeName),
    firstKey,
    async drain() {
      draining = true;
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
      await certificate?.look();
    },
    async close() {
      const isFirst = closing === undefined;
      await close();
      if (isFirst) logger.info({ url }, 'closed');
    },
  };
}

/** What readers' channels and patterns may take: for each connection there may be, several times what an ordinary one has. */
const INTERESTS_BYTES_MIN = 64 * 1024 * 1024;
const INTEREST_BYTES_PER_CONNECTION = 8192;
/** How long a secret may outlive the end of its overlap. */
const IDENTITY_UPKEEP_MS = 1000;

const VERSION: string = (
  JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8')) as { version: string }
).version;

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A document of somebody else's, which has to come by TLS and at once. */
function documentBy(
  outgoing: GuardedFetch,
): (url: string, bounds: { timeoutMs: number; bytesMax: number }) => Promise<Buffer> {
  return async (url, bounds) => {
    const { status, body } = await outgoing.fetch(url, { ...bounds, tlsOnly: true });
    if (status !== 200) throw new Error(`it was answered ${status}`);
    return body;
  };
}
