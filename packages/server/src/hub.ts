import { createBase, type HubBase } from './composition/base.ts';
import { createCore } from './composition/core.ts';
import { createErasureTask } from './composition/erasure.ts';
import { openHttp } from './composition/http.ts';
import { createConfiguredTokens, openIdentityPart } from './composition/identity.ts';
import { joiningParts, openConfiguredProcesses } from './composition/processes/open-processes.ts';
import { listen } from './composition/listen.ts';
import { reportLostSubscriptions } from './composition/lost-subscriptions.ts';
import { registerMetrics } from './composition/metric-sources.ts';
import { openOutgoing } from './composition/outgoing.ts';
import { runningHub, type Hub } from './composition/running-hub.ts';
import { openSessions } from './composition/sessions.ts';
import { openConfiguredStorage } from './composition/storage.ts';
import { createSubscriptionEngine } from './composition/subscription-engine.ts';
import { openConfiguredTelemetry, transportServices } from './composition/telemetry.ts';
import { openTasks } from './composition/tasks.ts';
import type { Config } from './config/parse.ts';
import type { Refusal } from './auth/refusal-log.ts';
import type { Route } from './auth/route.ts';
import type { ProcessPlace } from './processes/process-place.ts';
import { systemWorld, type World } from './operate/world.ts';

export type { Hub } from './composition/running-hub.ts';

/** The parts of a hub besides its configuration. */
export interface HubParts {
  /** Routes in addition to the hub's own. */
  readonly routes?: readonly Route[];
  /** The origins of its own pages that reach it through another port, by the URL of the hub. */
  readonly ownOrigins?: (url: string) => readonly string[];
  /** This process, if the hub has several. */
  readonly place?: ProcessPlace | undefined;
  /** Time and chance. Another world makes days pass in minutes. */
  readonly world?: World;
  /** Called with each refused request. */
  readonly refused?: ((refusal: Refusal) => void) | undefined;
  /**
   * Reads the configuration again, for a reload. Absent: only files that it names are read again.
   */
  readonly loadConfig?: (() => Promise<Config>) | undefined;
  /** Where each field of the newest configuration was set: `polycast.yaml`, by its path. */
  readonly origins?: (() => ReadonlyMap<string, string>) | undefined;
  /** Called when a hub of a cluster has to be closed and opened again. */
  readonly onReset?: (() => void) | undefined;
}

/** Composes one hub and listens. A hub that cannot open or listen closes what it has opened. */
export async function openHub(config: Config, parts: HubParts = {}): Promise<Hub> {
  const base = createBase(config, parts.world ?? systemWorld);
  try {
    return await open(base, parts);
  } catch (error) {
    await base.shutdown.close();
    throw error;
  }
}

async function open(base: HubBase, parts: HubParts): Promise<Hub> {
  const { config, logger } = base;
  const {
    routes = [],
    ownOrigins = () => [],
    refused,
    loadConfig = async () => config,
    origins = () => NO_ORIGINS,
    onReset = () => {},
    place,
  } = parts;
  const tracing = await openConfiguredTelemetry(base);
  const outgoing = openOutgoing(base);
  const tokens = createConfiguredTokens(base, outgoing);
  const processes = await openConfiguredProcesses(base, place);
  const storage = await openConfiguredStorage(base, processes);
  const { log } = storage;
  log.shared?.onReset(onReset);
  const identity = openIdentityPart(base, storage, tokens, place?.role !== 'follower');
  const core = createCore(base, log, processes);
  const sessions = await openSessions(base, storage, core, processes);
  const engine = createSubscriptionEngine(base, storage, core, outgoing, tracing);
  const erasure = createErasureTask(base, core, identity, engine, sessions);
  if (storage.identity.hearing !== undefined) {
    const { endSessionsWhenCutOff } = await import('./composition/cluster/cut-off.ts');
    endSessionsWhenCutOff(base, storage.identity.hearing, sessions.sessions);
  }
  const services = transportServices(tracing, core, engine);
  const http = await openHttp(base, {
    ...core,
    ...sessions,
    ...outgoing,
    ...services,
    identity,
    engine,
    sharedSubscriptions: storage.sharedSubscriptions,
    erasure,
    refused,
    routes,
    loadConfig,
    origins,
    processes,
  });
  registerMetrics(base, { ...core, ...sessions, identity, engine, http, processes });
  const tasks = openTasks(base, core, identity, processes);

  await core.feed.preload();
  await sessions.presence.start();
  if (storage.sharedSubscriptions === undefined) {
    engine.start();
    http.dialects.start();
  } else {
    const { workOnSubscriptions } = await import('./composition/cluster/work-on-subscriptions.ts');
    workOnSubscriptions(base, storage.sharedSubscriptions, engine, http.dialects, erasure);
  }
  if (log.shared !== undefined) {
    const { shareQuotas } = await import('./composition/cluster/share-quotas.ts');
    shareQuotas(base, log.shared.others, sessions.sessions, http.parts.request.auth.connectionQuota);
  }
  const { audit, keyChanges } = identity.store;
  if (engine.hasLostCommits)
    reportLostSubscriptions({ data: config.data, audit, subscriptions: engine.subscriptions, logger });
  await processes?.join(joiningParts({ ...core, ...sessions, identity, http }));
  const address = await listen(http.frontend.server, config, processes !== undefined);
  // A supervisor would replace an owner that is stopped.
  storage.noteAddress({ url: address.url, pid: place === undefined ? process.pid : process.ppid });
  const firstKey = identity.access === undefined ? undefined : await keyChanges.createFirst();
  tasks.start();
  // The owner erases, and its history has the numbers of all processes.
  if (place?.role !== 'follower') {
    if (storage.sharedSubscriptions === undefined) erasure.start();
    http.statusHistory.start();
  }
  http.parts.frontend.originPolicy.add(ownOrigins(address.url));
  logger.info({ url: address.url, data: config.data, epoch: log.state.epoch, head: log.state.head }, 'listening');
  return runningHub(base, { ...sessions, log, http, address, firstKey });
}

const NO_ORIGINS: ReadonlyMap<string, string> = new Map();
