import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DataFolderError } from '../../core/data-folder-error.ts';
import type { Home, StorageOptions } from '../home.ts';
import { ChangedAtStartError, type Journal } from './journal.ts';
import { BrokerInspection } from './jetstream/broker-inspection.ts';
import { DurabilityCheck } from './jetstream/durability-check.ts';
import { connectToBrokers, moveToLeader } from './jetstream/connection.ts';
import { openJetStreamJournal, openStream } from './jetstream/jetstream-journal.ts';
import { NatsSnapshotStore } from './jetstream/nats-snapshot-store.ts';
import { SealedJournal } from './sealing/sealed-journal.ts';
import { SealedSnapshotStore } from './sealing/sealed-snapshot-store.ts';
import { readSealer } from './sealing/sealer.ts';
import type { SnapshotStore } from './snapshots/snapshot-store.ts';
import { NatsFleet } from './jetstream/nats-fleet.ts';
import type { JournaledLog } from './journaled-log.ts';
import { openClusterLog } from './open-cluster-log.ts';

/**
 * Opens the log of a cluster as the configuration says.
 * @throws DataFolderError also when no broker can be used
 */
export async function openConfiguredCluster(home: Home, options: StorageOptions): Promise<JournaledLog> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openLogOn(await openBrokers(options), home, options);
    } catch (error) {
      if (!(error instanceof ChangedAtStartError)) throw error;
      if (attempt === ATTEMPTS_MAX) throw unusable(options.cluster.nats, error);
      options.logger.warn({ error: error.message }, 'cluster: the journal changed during the start, starting again');
    }
  }
}

/** Another hub trims the journal once in a snapshot, so the second attempt finds a newer one. */
const ATTEMPTS_MAX = 5;

/** The parts of a cluster that its brokers have. */
export interface ClusterBrokers {
  readonly connection: NatsConnection;
  readonly journal: Journal;
  readonly snapshots: SnapshotStore;
  /** A name of this process that no other has or had. */
  readonly incarnation: string;
}

/**
 * Connects to the brokers of the configuration, and creates what they do not have yet.
 * @param firstSequence the sequence of the first block of a new journal
 * @throws DataFolderError
 */
export async function openBrokers(options: StorageOptions, firstSequence = 1): Promise<ClusterBrokers> {
  const { cluster, logger } = options;
  const sealer = readSealer(cluster.sealKeyFile);
  // Names sort in the order of the starts, and no two are equal.
  const incarnation = `${Date.now().toString(36)}${randomBytes(6).toString('hex')}`;
  const clientName = `polycast ${incarnation}`;
  let connection = (await connectToBrokers(cluster, clientName).catch((error: unknown) => {
    throw unusable(cluster.nats, error);
  })) as NatsConnection;
  const check = new DurabilityCheck({ ...cluster, logger });
  let journal: Journal;
  let snapshots: SnapshotStore;
  try {
    const { cluster: placement } = await openStream({ ...cluster, connection, firstSequence });
    connection = await moveToLeader(connection, placement?.leader, cluster, clientName);
    journal = new SealedJournal(await openJetStreamJournal({ ...cluster, connection, check, firstSequence }), sealer);
    snapshots = new SealedSnapshotStore(
      await NatsSnapshotStore.open(connection, cluster.name, cluster.replicas),
      sealer,
    );
    checkEventSize(journal, options);
  } catch (error) {
    check.close();
    await connection.close();
    throw error instanceof DataFolderError ? error : unusable(cluster.nats, error);
  }
  return { connection, journal, snapshots, incarnation };
}

/** Opens the log of a hub on brokers. They are closed with it. */
export async function openLogOn(
  { connection, journal, snapshots, incarnation }: ClusterBrokers,
  home: Home,
  options: StorageOptions,
): Promise<JournaledLog> {
  const { cluster, clock, random, logger, limits } = options;
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const inspection = new BrokerInspection({ settings: cluster, manager, snapshots });
  return openClusterLog({
    clock,
    random,
    logger,
    journal,
    incarnation,
    channelsMax: limits.channelsMax,
    fleet: new NatsFleet(connection, cluster.name, incarnation, logger),
    openView: () => home.openView(options),
    wipeView: () => home.wipeView(options),
    mayRebuild: () => mayRebuild(options.data),
    snapshots,
    copies: await home.viewCopies?.(options),
    snapshotBytes: cluster.snapshotBytes,
    brokers: { replicas: cluster.replicas, read: () => inspection.read() },
  });
}

/** A view that differs again, from a defect of this version, is not built again all the time. */
const REBUILD_INTERVAL_MS = 3_600_000;
/** When this process has built a view again because it differed, by the folder. */
const rebuiltMs = new Map<string, number>();

function mayRebuild(folder: string): boolean {
  const nowMs = performance.now();
  if (nowMs - (rebuiltMs.get(folder) ?? -Infinity) < REBUILD_INTERVAL_MS) return false;
  rebuiltMs.set(folder, nowMs);
  return true;
}

/** An event that no block can hold must be refused before it is published. */
function checkEventSize({ blockBytesMax }: Journal, { eventBytesMax }: StorageOptions): void {
  if (eventBytesMax + EVENT_OVERHEAD_BYTES <= blockBytesMax) return;
  const most = blockBytesMax - EVENT_OVERHEAD_BYTES;
  throw new DataFolderError(
    'inaccessible',
    `the brokers accept events of ${most} bytes, and a rule allows ${eventBytesMax}: set \`eventBytesMax\` to ${most} at most, in \`defaults\` and in all \`rules\`, or raise \`max_payload\` of the brokers up to 1 MiB`,
  );
}

/** The names, the key and the numbers of an event beside its body. */
export const EVENT_OVERHEAD_BYTES = 8 * 1024;

function unusable(urls: readonly string[], error: unknown): DataFolderError {
  const { message } = error as Error;
  return new DataFolderError('inaccessible', `no broker of ${urls.join(', ')} can be used: ${message}`, {
    cause: error,
  });
}
