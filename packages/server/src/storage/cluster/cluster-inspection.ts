import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError, jetstreamManager, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BrokerDetails } from '../../core/cluster-state.ts';
import type { ClusterSettings } from '../home.ts';
import type { BlockAddress } from '../view/block.ts';
import { FLEET_BEAT_MS, type HubBeat } from './fleet.ts';
import { readBrokers, unsafeReasonOf } from './jetstream/durability-check.ts';
import { connectToBrokers } from './jetstream/connection.ts';
import { blockBytesMaxOf, NO_STREAM, readId, streamName } from './jetstream/jetstream-journal.ts';
import { NatsFleet } from './jetstream/nats-fleet.ts';
import { EVENT_OVERHEAD_BYTES } from './open-configured-cluster.ts';

/** Each hub sends a beat in this time, also when the first one came late. */
const LISTEN_MS = 2.5 * FLEET_BEAT_MS;
/** If this process stands still, it loses one step of the time, and hears nothing meanwhile. */
const LISTEN_STEPS = 25;

/** A cluster as its brokers show it, whether one of its hubs works or not. */
export interface ClusterInspection {
  readonly name: string;
  /** `null` before the first start of a hub, which creates it. */
  readonly journal: {
    readonly firstSequence: number;
    readonly lastSequence: number;
    readonly bytes: number;
    readonly replicas: number;
    /** `null` while the brokers elect one. */
    readonly leader: string | null;
  } | null;
  readonly brokers: readonly ({ readonly name: string } & BrokerDetails)[];
  /** Why confirmed events may be lost. `null`: the brokers have shown that they are safe. */
  readonly unsafe: string | null;
  readonly hubs: readonly InspectedHub[];
  /** The largest `eventBytesMax` that the brokers accept. */
  readonly eventBytesMax: number;
  /** Of the folder that the journal was compared with: whether it has the folder's newest block. */
  readonly hasFolderBlock: boolean | null;
}

export interface InspectedHub extends HubBeat {
  /** Blocks that the journal has and this hub has not applied, at the moment of the beat. */
  readonly behind: number;
  /** Whether another hub has another hash at the same block. */
  readonly differs: boolean;
}

/**
 * Asks the brokers of a cluster, and listens to its hubs for some seconds.
 * @param applied the newest block of a view, to compare with the journal
 * @throws the error of the connection
 */
export async function inspectCluster(settings: ClusterSettings, applied?: BlockAddress): Promise<ClusterInspection> {
  const { name, replicas, monitoring } = settings;
  const connection = (await connectToBrokers(settings, 'polycast cluster')) as NatsConnection;
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const fleet = new NatsFleet(connection, name, '', { error: () => undefined });
    const [brokers] = await Promise.all([readBrokers(monitoring), listen()]);
    const beats = fleet.hubs;
    await fleet.close();
    const info = await readStream(manager, name);
    return {
      name,
      journal: info === undefined ? null : journalOf(info),
      brokers: [...brokers].map(([broker, state]) => ({ name: broker, ...state })),
      unsafe: unsafeReasonOf(info, brokers, { replicas, monitoring }) ?? null,
      hubs: beats
        .map((beat) => inspectedHub(beat, beats, info))
        .toSorted((one, other) => (one.hub < other.hub ? -1 : 1)),
      eventBytesMax: blockBytesMaxOf(connection) - EVENT_OVERHEAD_BYTES,
      hasFolderBlock: await hasBlock(manager, name, info, applied),
    };
  } finally {
    await connection.close();
  }
}

async function listen(): Promise<void> {
  for (let step = 0; step < LISTEN_STEPS; step++) await delay(LISTEN_MS / LISTEN_STEPS);
}

async function readStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(streamName(name));
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NO_STREAM) return undefined;
    throw error;
  }
}

function journalOf({ config, cluster, state }: StreamInfo): ClusterInspection['journal'] {
  return {
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    bytes: state.bytes,
    replicas: config.num_replicas,
    leader: cluster?.leader ?? null,
  };
}

function inspectedHub(beat: HubBeat, beats: readonly HubBeat[], info: StreamInfo | undefined): InspectedHub {
  return {
    ...beat,
    behind: Math.max(0, (info?.state.last_seq ?? 0) - beat.sequence),
    differs: beats.some(({ sequence, hash }) => sequence === beat.sequence && hash !== beat.hash),
  };
}

async function hasBlock(
  manager: JetStreamManager,
  name: string,
  info: StreamInfo | undefined,
  applied: BlockAddress | undefined,
): Promise<boolean | null> {
  if (applied === undefined || applied.sequence === 0) return null;
  // A trimmed block is no contradiction: the hub starts from a snapshot then.
  if (info === undefined) return false;
  if (applied.sequence < info.state.first_seq) return null;
  return (await readId(manager, streamName(name), applied.sequence)) === applied.id;
}
