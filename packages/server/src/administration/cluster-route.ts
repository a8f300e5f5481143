import { PolycastError } from '@polycast/protocol';
import type { Route } from '../auth/route.ts';
import type { ClusterState, HubSelf, SeenBroker, SeenHub } from '../core/cluster-state.ts';
import { json, response } from '../http/route-description.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';
import type { AdministrationParts } from './administration-parts.ts';
import { clusterSchema, type ClusterAnswer } from './cluster-schema.ts';
import { askOthers } from './other-hubs.ts';

/**
 * `GET /v1/cluster` (PROTOCOL.md section 12): the hubs, the brokers and the journal of a cluster.
 */
export function clusterRoute(parts: AdministrationParts): Route {
  return {
    method: 'GET',
    path: '/v1/cluster',
    requires: 'admin',
    description: () => ({
      operationId: 'readCluster',
      summary: 'Reads the state of the cluster: its hubs, its brokers and its journal.',
      section: '12',
      details:
        'The hub that answers asks the other hubs and the brokers. That takes some seconds while one of them does not answer. A hub without a cluster answers `404`.',
      responses: [response(200, 'The state, as this hub sees it.', json(clusterSchema(), 'The cluster.'))],
      errors: ['not_found', 'log_unavailable'],
    }),
    async handle(request) {
      const { auth, log, place, self } = parts;
      const own = place();
      if (log.shared === undefined || own === undefined)
        throw new PolycastError('not_found', 'This hub is not a part of a cluster.');
      const [state, { answers }] = await Promise.all([log.shared.inspect(), askOthers<HubSelf>(log, { kind: 'hub' })]);
      const time = timestampOrNull(auth.clock.nowMs()) as string;
      request.respondJson(200, clusterAnswer({ name: own.name, time }, state, [self(), ...answers]));
    },
  };
}

function clusterAnswer(
  { name, time }: Pick<ClusterAnswer, 'name' | 'time'>,
  state: ClusterState,
  answers: readonly HubSelf[],
): ClusterAnswer {
  const { own, others, silentMs, unsafe, replicasWanted, journal, snapshots, brokers } = state;
  const byName = new Map(answers.map((answer) => [answer.hub, answer]));
  return {
    name,
    hub: own.hub,
    time,
    level: own.level,
    subscriptionOwner: own.subscriptionOwner === '' ? null : own.subscriptionOwner,
    journalSilentMs: Math.round(silentMs),
    unsafe: unsafe ?? null,
    hubs: [own, ...others]
      .map((hub) => hubAnswer(hub, byName.get(hub.hub), state))
      .toSorted((one, other) =>
        one.host === other.host ? compare(one.hub, other.hub) : compare(one.host, other.host),
      ),
    brokers: brokers.map(brokerAnswer),
    replicasWanted,
    journal:
      journal === undefined ? null : { ...journal, oldest: journal.oldest ?? null, leader: journal.leader ?? null },
    snapshots: snapshots?.map((snapshot) => ({ ...snapshot, stored: snapshot.stored ?? null })) ?? null,
  };
}

function hubAnswer(
  seen: SeenHub,
  answer: HubSelf | undefined,
  { own, others, newestBlock }: ClusterState,
): ClusterAnswer['hubs'][number] {
  const { subscriptionOwner } = own;
  // The running hub with the first name (`SharedLog.isTrimmer`).
  const first = others.reduce((least, { hub, isGone }) => (!isGone && hub < least ? hub : least), own.hub);
  const { hub, host, version, level, hash, hasSameData, silentMs, isGone } = seen;
  // What it answers now is newer than its last beat.
  const block = Math.max(seen.block, answer?.block ?? 0);
  return {
    hub,
    host,
    address: answer?.address ?? null,
    version,
    level,
    state: isGone ? 'gone' : answer === undefined ? 'silent' : 'answers',
    beatAgeMs: Math.round(silentMs),
    ready: answer?.ready ?? null,
    why: answer?.why ?? null,
    problems: answer === undefined ? null : [...answer.problems],
    head: answer?.head ?? null,
    block,
    behind: Math.max(0, newestBlock - block),
    hash: hash.toString(16).padStart(8, '0'),
    sameData: hasSameData ?? null,
    work: [
      ...(hub === subscriptionOwner ? (['subscriptions'] as const) : []),
      ...(hub === first ? (['retention'] as const) : []),
    ],
    sessions: answer?.sessions ?? null,
    uptimeSeconds: answer?.uptimeSeconds ?? null,
  };
}

function brokerAnswer(broker: SeenBroker): ClusterAnswer['brokers'][number] {
  const { name, monitoring, isReachable, isLeader, isReplica, missingBlocks, details } = broker;
  return {
    name: name ?? null,
    monitoring: monitoring ?? null,
    reachable: isReachable,
    leader: isLeader,
    replica: isReplica,
    missingBlocks: missingBlocks ?? null,
    version: details?.version ?? null,
    syncAlways: details?.syncAlways ?? null,
    syncIntervalMs: details?.syncIntervalMs ?? null,
    storageBytes: details?.storageBytes ?? null,
    storageBytesMax: details?.storageBytesMax ?? null,
  };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
