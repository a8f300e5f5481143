// A cluster of three hubs on three brokers. A broker is killed, and one is stopped. A user is
// revoked. The hub that works on subscriptions is killed. Readers, publishers, webhooks and pulls
// go on all the time.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ask,
  type Credentials,
  Numbers,
  openEndpoint,
  Publishing,
  Reading,
  send,
  Working,
} from '../../harness/cluster-clients.ts';
import type { LoadRun } from '../../harness/load.ts';
import { type Bar, runInterleaved, type Scenario, type Series } from '../../harness/scenario.ts';
import {
  type ClusterHub,
  clusterPeer,
  leaderOf,
  type RunningCluster,
  startAgain,
  startCluster,
} from '../../peers/cluster.ts';
import { keyOf, token, tokenSecret } from '../../peers/polycast-with-users.ts';
import { readMetric } from '../../peers/polycast.ts';

const graceSeconds = 2;
const channel = 'bench.0';
const room = 'bench.room';
/** After a broker was killed, hubs have found another one, and the election goes on. */
const inElectionMs = 1_000;
const checkMs = 5;
const ok = 200;
const stepTimeoutMs = 90_000;
/** Publishing goes on for this long before and after each failure. */
const calmMs = 1_000;
const NAME = 'polycast, cluster';

export const clusterFailures: Scenario = {
  name: 'cluster-failures',
  title: 'Three hubs on three brokers, while brokers and a hub fail',
  run: async (options) => {
    const series = await runInterleaved([{ name: NAME, peer: clusterPeer, run: failInTurn }], options);
    const worst = (title: string, figure: string, atMost: number, unit = 'ms'): Bar => ({
      title,
      figure: worstOf(series, figure),
      atMost,
      unit,
    });
    return {
      settings: { brokers: 3, hubs: 3, publishers: 3, graceSeconds },
      series,
      bars: [
        worst('the broker that leads is killed: longest pause of a publisher', 'killedLeaderMs', 10_000),
        worst('the broker that leads gets SIGTERM: longest pause of a publisher', 'stoppedLeaderMs', 2_000),
        worst('the hub that works on subscriptions is killed: webhooks go on after', 'webhooksMs', 8_000),
        worst('the same: pulls go on after', 'pullsMs', 8_000),
        worst('the same: its user is gone after', 'userLeftMs', 8_000 + graceSeconds * 1_000),
        worst('longest time from a revocation to the end of the sessions at all hubs', 'revokedMs', 1_000),
        worst('the same, while the brokers elect a leader', 'revokedInElectionMs', 1_000),
        worst('open streams that ended', 'endedStreams', 0, ''),
        worst('acknowledged events that a stream, the webhooks or the pulls missed', 'missing', 0, ''),
        worst('events that a stream received twice', 'repeated', 0, ''),
      ],
      charts: [
        { title: 'Pause of publishing, the leader killed', figure: 'killedLeaderMs', unit: 'ms', better: 'less' },
      ],
      columns: [
        { title: 'pause, leader killed, ms', figure: 'killedLeaderMs' },
        { title: 'pause, SIGTERM, ms', figure: 'stoppedLeaderMs' },
        { title: 'webhooks, ms', figure: 'webhooksMs' },
        { title: 'pulls, ms', figure: 'pullsMs' },
        { title: 'user left, ms', figure: 'userLeftMs' },
        { title: 'revoked, ms', figure: 'revokedMs' },
        { title: 'in an election, ms', figure: 'revokedInElectionMs' },
      ],
    };
  },
};

function worstOf(series: readonly Series[], figure: string): number {
  const figures = series.flatMap(({ runs }) => runs.map((run) => run[figure] ?? Number.NaN));
  return figures.length === 0 ? Number.NaN : Math.max(...figures);
}

/** A cluster with clients of all kinds. */
interface Busy {
  readonly cluster: RunningCluster;
  at(hub: ClusterHub, user?: string): Credentials;
  /** The hub that works on subscriptions at first. */
  readonly owner: ClusterHub;
  readonly publishers: ReadonlyMap<ClusterHub, Publishing>;
  readonly readers: ReadonlyMap<ClusterHub, Reading>;
  readonly webhooks: Numbers;
  readonly pulls: Numbers;
}

async function failInTurn(): Promise<LoadRun> {
  const endpoint = await openEndpoint();
  const closers: (() => unknown)[] = [() => endpoint.close()];
  try {
    const cluster = await startCluster(3, settingsOf(endpoint.url));
    closers.push(() => cluster.stop());
    const key = await keyOf(cluster.hubs[0] as ClusterHub);
    const at = ({ url }: ClusterHub, user?: string): Credentials => ({
      url,
      token: user === undefined ? key : token(user),
    });
    const first = at(cluster.hubs[0] as ClusterHub);
    await subscribe(first, { kind: 'webhook', url: endpoint.url });
    const queue = await subscribe(first, { kind: 'pull', leaseSeconds: 3 });
    const owner = await ownerOf(cluster);
    const pulls = new Numbers();
    const workers = cluster.hubs.filter((hub) => hub !== owner).map((hub) => new Working(at(hub), queue, pulls));
    closers.push(() => Promise.all(workers.map((worker) => worker.stop())));
    const readers = new Map<ClusterHub, Reading>();
    for (const hub of cluster.hubs) readers.set(hub, await Reading.open(at(hub), channel));
    const publishers = new Map(
      cluster.hubs.map((hub, index) => [hub, new Publishing(at(hub), `p${index}`, channel)] as const),
    );
    const busy = { cluster, at, owner, publishers, readers, webhooks: endpoint.received, pulls };
    await sleep(calmMs);
    return await failAll(busy);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function failAll(busy: Busy): Promise<LoadRun> {
  const { readers, owner } = busy;
  const revokedMs = await revoke(busy, 'ann');
  const killed = await loseLeader(busy, 'SIGKILL', () => revoke(busy, 'bob'));
  const stopped = await loseLeader(busy, 'SIGTERM');
  // The reader of the hub that is killed next ends with it.
  const endedStreams = [...readers.values()].filter(({ isOpen }) => !isOpen).length;
  const afterKill = await killOwner(busy);
  const surviving = [...readers].filter(([hub]) => hub !== owner).map(([, reader]) => reader);
  const endedSince = surviving.filter(({ isOpen }) => !isOpen).length;
  return {
    revokedMs,
    revokedInElectionMs: killed.duringMs,
    killedLeaderMs: killed.pauseMs,
    stoppedLeaderMs: stopped.pauseMs,
    ...afterKill,
    endedStreams: endedStreams + endedSince,
    ...(await lossesOf(busy, surviving)),
  };
}

/** @returns the time until the sessions of a user had ended at every hub */
async function revoke({ cluster, at }: Busy, user: string): Promise<number> {
  const [asked] = cluster.hubs as readonly [ClusterHub];
  const sessions = await Promise.all(cluster.hubs.map((hub) => Reading.open(at(hub, user), channel)));
  const startMs = performance.now();
  const answered = ask(`${asked.url}/v1/revocations`, { token: at(asked).token, body: { user } });
  await Promise.all(sessions.map(({ ended }) => ended));
  const tookMs = performance.now() - startMs;
  await answered;
  return tookMs;
}

interface Lost {
  readonly pauseMs: number;
  readonly duringMs: number;
}

/**
 * Ends the broker that leads the journal, and starts it again when every publisher goes on.
 * @param during runs while no broker leads
 */
async function loseLeader(
  { cluster, publishers }: Busy,
  signal: 'SIGKILL' | 'SIGTERM',
  during: () => Promise<number> = async () => Number.NaN,
): Promise<Lost> {
  const leader = await leaderOf(cluster.brokers);
  const startMs = performance.now();
  const ended = leader.end(signal);
  await sleep(inElectionMs);
  const duringMs = await during();
  await ended;
  const endedMs = performance.now();
  const all = [...publishers.values()];
  await until('all publish', () => all.every(({ acknowledged }) => acknowledged.countSince(endedMs) > 1));
  await sleep(calmMs);
  const pauseMs = Math.max(...all.map((publisher) => publisher.longestPauseMs(startMs)));
  await startAgain(leader);
  await until('the broker has the journal', async () => (await fetch(`${leader.monitoring}/healthz`)).ok);
  await sleep(calmMs);
  return { pauseMs, duringMs };
}

/** Kills the hub that works on subscriptions. A user is connected to it alone. */
async function killOwner(busy: Busy): Promise<LoadRun> {
  const { cluster, at, owner, publishers, webhooks, pulls } = busy;
  const user = await Reading.open(at(owner, 'cleo'), room);
  const [other] = cluster.hubs.filter((hub) => hub !== owner) as [ClusterHub];
  /** `undefined`: not known at the moment. */
  const isPresent = async (): Promise<boolean | undefined> => {
    const { status, text } = await send(`${other.url}/v1/channels/${room}/presence`, at(other));
    return status === ok ? text.includes('"cleo"') : undefined;
  };
  await until('the user is present', async () => (await isPresent()) === true);
  publishers.get(owner)?.abandon();
  const startMs = performance.now();
  await cluster.end(owner, 'SIGKILL');
  const since = async (what: string, isTrue: () => boolean | Promise<boolean>): Promise<number> => {
    await until(what, isTrue);
    return performance.now() - startMs;
  };
  // Deliveries of before the kill may still arrive. Those of later events show that they go on.
  const later = (): readonly string[] => [...publishers.values()].flatMap((publisher) => publisher.begunSince(startMs));
  const [webhooksMs, pullsMs, userLeftMs] = await Promise.all([
    since('webhooks go on', () => later().some((name) => webhooks.has(name))),
    since('pulls go on', () => later().some((name) => pulls.has(name))),
    since('the user has left', async () => (await isPresent()) === false),
  ]);
  user.close();
  return { webhooksMs, pullsMs, userLeftMs };
}

/** Ends the publishers, and waits for what they have published. */
async function lossesOf({ publishers, webhooks, pulls }: Busy, readers: readonly Reading[]): Promise<LoadRun> {
  await Promise.all([...publishers.values()].map((publisher) => publisher.stop()));
  const acknowledged = [...publishers.values()].flatMap((publisher) => publisher.acknowledged.names);
  const receivers = [...readers.map(({ received }) => received), webhooks, pulls];
  const missing = (): number =>
    receivers.reduce((sum, receiver) => sum + acknowledged.filter((name) => !receiver.has(name)).length, 0);
  await until('all is delivered', () => missing() === 0).catch((error: unknown) => console.log(`  ${String(error)}`));
  const repeated = readers.reduce((sum, { received }) => sum + received.repeated, 0);
  return { acknowledged: acknowledged.length, missing: missing(), repeated };
}

function settingsOf(endpoint: string): string[] {
  const rules = [{ pattern: 'bench.>', subscribe: ['users'], presence: ['users'] }];
  const tokens = [{ keys: [{ algorithm: 'HS256', secret: tokenSecret }] }];
  return [
    'access=rules',
    `rules=${JSON.stringify(rules)}`,
    `identity.tokens=${JSON.stringify(tokens)}`,
    `presence.graceSeconds=${graceSeconds}`,
    `subscriptions.trustedEndpoints=${JSON.stringify([endpoint])}`,
    `outgoing.allow=${JSON.stringify([new URL(endpoint).host])}`,
  ];
}

async function subscribe({ url, token: key }: Credentials, delivery: object): Promise<string> {
  const body = { channels: [channel], ordering: 'per-channel', delivery };
  return (await ask<{ id: string }>(`${url}/v1/subscriptions`, { token: key, body })).id;
}

async function ownerOf({ hubs }: RunningCluster): Promise<ClusterHub> {
  let owner: ClusterHub | undefined;
  await until('one hub works on subscriptions', async () => {
    const values = await Promise.all(hubs.map((hub) => readMetric(hub, 'polycast_cluster_subscription_owner')));
    owner = hubs[values.indexOf(1)];
    return values.filter((value) => value === 1).length === 1;
  });
  return owner as ClusterHub;
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + stepTimeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await sleep(checkMs);
  }
}
