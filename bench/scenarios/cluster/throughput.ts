// A cluster of two hubs on three brokers that sync before they confirm, beside a hub of its own and
// beside bare publishes to JetStream. Brokers, hubs and load share both cores. Hubs are the package
// as users install it.
import { join } from 'node:path';
import { benchFolder, freshFolder } from '../../harness/folders.ts';
import { type LoadRun, runLoad } from '../../harness/load.ts';
import { allCores, outputOf, startPinned } from '../../harness/processes.ts';
import {
  type Bar,
  metricOf,
  ratioOf,
  runInterleaved,
  type RunOptions,
  type Scenario,
  type Series,
  withServer,
} from '../../harness/scenario.ts';
import { type ClusterHub, clusterPeer, jetStreamPeer, startCluster, startThreeBrokers } from '../../peers/cluster.ts';
import { nodeHttp } from '../../peers/node-http.ts';
import type { Peer, RunningServer } from '../../peers/peer.ts';
import { polycast, type RunningHub, startHub, withPackage } from '../../peers/polycast.ts';

const eventBytes = 128;
const publishers = 64;
const BARE = 'js.publish';
const ROUND_TRIP = 'node:http round trip';
const EMBEDDED = 'polycast, one hub';
const CLUSTER = 'polycast, cluster';

const acknowledged = 'acknowledgedP50Microseconds';
const acknowledgedUnread = 'unreadAcknowledgedP50Microseconds';
const delivered = 'latencyP50Microseconds';
const perSecond = 'requestsPerSecond';
const following = 'followingCpuMicrosecondsPerEvent';
const publishing = 'publishingCpuMicrosecondsPerEvent';

interface Sizes {
  readonly oneByOne: number;
  readonly oneByOneWarmUp: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** A hub that follows works little, so V8 needs a quarter of a minute to compile what it does. */
function sizesOf({ quick }: RunOptions): Sizes {
  return quick
    ? { oneByOne: 500, oneByOneWarmUp: 500, warmUpSeconds: 3, seconds: 3 }
    : { oneByOne: 1_500, oneByOneWarmUp: 3_000, warmUpSeconds: 15, seconds: 5 };
}

export const cluster: Scenario = {
  name: 'cluster',
  title: 'Two hubs on three brokers that sync before they confirm',
  run: async (options) => {
    const sizes = sizesOf(options);
    const series = await runInterleaved(
      [
        { name: BARE, peer: jetStreamPeer, run: () => publishBare(sizes) },
        { name: ROUND_TRIP, peer: nodeHttp, run: () => roundTrip(sizes) },
        { name: CLUSTER, peer: clusterPeer, run: () => withPackage(() => publishInCluster(sizes)) },
        { name: EMBEDDED, peer: polycast, run: () => withPackage(() => publishEmbedded(sizes)) },
      ],
      options,
    );
    return {
      settings: { brokers: 3, hubs: 2, publishers, eventBytes, ...sizes },
      series,
      bars: barsOf(series),
      charts: [
        { title: 'Events a second of 64 publishers', figure: perSecond, unit: '/s', better: 'more' },
        {
          title: 'Acknowledgement of a lone publisher beside a reader, median',
          figure: acknowledged,
          unit: 'µs',
          better: 'less',
        },
      ],
      columns: [
        { title: 'one publisher: acknowledged, p50 µs', figure: acknowledgedUnread },
        { title: 'beside a reader', figure: acknowledged },
        { title: 'at a reader, p50 µs', figure: delivered },
        { title: '64 publishers: events/s', figure: perSecond },
        { title: 'p99, µs', figure: 'requestP99Microseconds' },
        { title: 'CPU of following, µs an event', figure: following },
        { title: 'of publishing, µs an event', figure: publishing },
      ],
    };
  },
};

function barsOf(series: readonly Series[]): readonly Bar[] {
  return [
    {
      title: 'acknowledgement of a lone publisher, p50, relative to a bare js.publish',
      figure: metricOf(series, CLUSTER, acknowledgedUnread) / metricOf(series, BARE, acknowledged),
      atMost: 1.3,
      unit: '×',
    },
    {
      title: 'the same, relative to js.publish and an HTTP round trip',
      figure:
        metricOf(series, CLUSTER, acknowledgedUnread) /
        (metricOf(series, BARE, acknowledged) + metricOf(series, ROUND_TRIP, acknowledged)),
      unit: '×',
    },
    {
      title: 'the same, while a reader of the other hub receives on the same two cores',
      figure: ratioOf(series, CLUSTER, BARE, acknowledged),
      unit: '×',
    },
    {
      title: 'the event at a reader of the other hub, p50, relative to the acknowledgement',
      figure: metricOf(series, CLUSTER, delivered) / metricOf(series, CLUSTER, acknowledged),
      atMost: 1.2,
      unit: '×',
    },
    {
      title: `events/s of ${publishers} publishers, relative to a hub of its own`,
      figure: ratioOf(series, CLUSTER, EMBEDDED, perSecond),
      atLeast: 0.2,
      unit: '×',
    },
    {
      title: 'CPU for an event at a hub that follows and has no readers',
      figure: metricOf(series, CLUSTER, following),
      atMost: 8,
      unit: 'µs',
    },
    {
      title: 'the same, relative to the CPU for a publish at a hub of its own',
      figure: metricOf(series, CLUSTER, following) / metricOf(series, EMBEDDED, publishing),
      unit: '×',
    },
    {
      title: 'missing or repeated deliveries, refused publishes, all runs',
      figure: lossesOf(series.flatMap(({ runs }) => runs)),
      atMost: 0,
      unit: '',
    },
  ];
}

/** What any cluster on JetStream pays: one message, confirmed by a majority that has synced it. */
async function publishBare({ oneByOne, oneByOneWarmUp }: Sizes): Promise<LoadRun> {
  const brokers = await startThreeBrokers();
  try {
    const program = join(benchFolder, 'peers/servers/js-publish.ts');
    const words = [brokers.urls.join(','), oneByOne, oneByOneWarmUp, eventBytes].map(String);
    const bare = startPinned([process.execPath, program, ...words], { core: allCores });
    const code = await new Promise<number | null>((resolve) => bare.child.once('close', resolve));
    if (code !== 0) throw new Error(`js-publish failed: ${bare.output()}`);
    return JSON.parse(bare.output()) as LoadRun;
  } finally {
    await brokers.end();
  }
}

/** A bare server that answers the same requests, and stores nothing. */
async function roundTrip(sizes: Sizes): Promise<LoadRun> {
  const run = await withServer(nodeHttp, (server) => publishOneByOne(nodeHttp, server, server, sizes, 1));
  return { [acknowledged]: run[acknowledged] ?? Number.NaN };
}

async function publishInCluster(sizes: Sizes): Promise<LoadRun> {
  const running = await startCluster(2);
  try {
    const [first, other] = running.hubs as readonly [ClusterHub, ClusterHub];
    const many = await publishAtOnce(first, sizes, other);
    // A bare publisher has the disk to itself. Brokers would sync slowly while it writes what 64
    // publishers have left.
    outputOf('sync');
    // Nobody reads from a bare publisher's stream either. A reader is measured by itself.
    const unread = await publishOneByOne(polycast, first, other, sizes, 0);
    const read = await publishOneByOne(polycast, first, other, sizes, 1);
    return { ...read, [acknowledgedUnread]: unread[acknowledged] ?? Number.NaN, ...many };
  } finally {
    await running.stop();
  }
}

/** @param readers of `other` */
function publishOneByOne(
  peer: Peer,
  server: RunningServer,
  other: RunningServer,
  { oneByOne, oneByOneWarmUp }: Sizes,
  readers: number,
): Promise<LoadRun> {
  return runLoad(
    'fanout',
    {
      port: other.port,
      publishPort: server.port,
      ...peer.subscribeOptions('sse'),
      ...peer.publishOptions(),
      subscribers: readers,
      publishers: 1,
      events: oneByOne,
      warmUpEvents: oneByOneWarmUp,
      eventBytes,
    },
    allCores,
  );
}

async function publishEmbedded(sizes: Sizes): Promise<LoadRun> {
  const hub = await startHub(freshFolder('hub'), [], allCores);
  try {
    return await publishAtOnce(hub, sizes, hub);
  } finally {
    await hub.process.stop();
  }
}

/** @param follower the hub whose CPU time is counted */
async function publishAtOnce(hub: RunningHub, sizes: Sizes, follower: RunningHub): Promise<LoadRun> {
  const run = await runLoad(
    'requests',
    {
      port: hub.port,
      pids: follower.process.pids().join(','),
      method: 'POST',
      path: '/v1/channels/bench.0/events',
      header: 'Content-Type: application/json',
      eventBytes,
      expectStatus: 201,
      connections: publishers,
      warmUpSeconds: sizes.warmUpSeconds,
      seconds: sizes.seconds,
    },
    allCores,
  );
  return {
    [perSecond]: run[perSecond] ?? Number.NaN,
    requestP50Microseconds: run['latencyP50Microseconds'] ?? Number.NaN,
    requestP99Microseconds: run['latencyP99Microseconds'] ?? Number.NaN,
    unexpectedAnswers: run['unexpectedAnswers'] ?? Number.NaN,
    [follower === hub ? publishing : following]: run['serverCpuMicrosecondsPerRequest'] ?? Number.NaN,
  };
}

function lossesOf(runs: readonly LoadRun[]): number {
  const figures = ['missingDeliveries', 'surplusDeliveries', 'refusedPublishes', 'unexpectedAnswers'];
  return runs.reduce((sum, run) => sum + figures.reduce((each, figure) => each + (run[figure] ?? 0), 0), 0);
}
