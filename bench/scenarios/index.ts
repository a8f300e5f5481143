// In the order of the table of bars.
import type { Scenario } from '../harness/scenario.ts';
import { backup } from './backup.ts';
import { burstSse, burstWebSocket } from './burst.ts';
import { cachedIdentity } from './cached-identity.ts';
import { cluster } from './cluster/throughput.ts';
import { clusterFailures } from './cluster/failures.ts';
import { clusterStart } from './cluster/start.ts';
import { consolePage } from './console.ts';
import { http2Sse } from './http2-sse.ts';
import { idleConnections } from './idle-connections.ts';
import { identifiedSessions } from './sessions/identified-sessions.ts';
import { idleLatency } from './idle-latency.ts';
import { jwtConnections } from './jwt-connections.ts';
import { ndjsonStream } from './ndjson-stream.ts';
import { manyChannelsSse, pacedSse } from './paced.ts';
import { processes } from './processes.ts';
import { privateMessages } from './private-messages.ts';
import { pullWorkers } from './pull-workers.ts';
import { reconnectStorm } from './reconnect-storm.ts';
import { publishes, shortPolls } from './requests.ts';
import { stalledReadersScenario } from './stalled-readers.ts';
import { sessionJournal } from './sessions/session-journal.ts';
import { sessionLookups } from './sessions/session-lookups.ts';
import { start } from './start.ts';
import { startLarge } from './start-large.ts';
import { idleSubscriptions, matchingPublishes } from './subscriptions.ts';
import { webhookBacklog } from './webhook-backlog.ts';
import { webhookFairness } from './webhook-fairness.ts';
import { webhooks } from './webhooks.ts';

export const scenarios: readonly Scenario[] = [
  burstSse,
  burstWebSocket,
  pacedSse,
  manyChannelsSse,
  processes,
  cluster,
  clusterStart,
  clusterFailures,
  idleConnections,
  publishes,
  shortPolls,
  ndjsonStream,
  reconnectStorm,
  stalledReadersScenario,
  start,
  startLarge,
  backup,
  idleLatency,
  http2Sse,
  identifiedSessions,
  privateMessages,
  cachedIdentity,
  jwtConnections,
  webhooks,
  webhookBacklog,
  webhookFairness,
  idleSubscriptions,
  matchingPublishes,
  pullWorkers,
  sessionJournal,
  sessionLookups,
  consolePage,
];
