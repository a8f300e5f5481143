import { largestEventBytes } from '../../../config/largest-event.ts';
import type { Config } from '../../../config/parse.ts';
import type { ClusterInspection } from '../../../storage/cluster-tools.ts';
import type { StorageOptions } from '../../../storage/home.ts';
import type { BlockAddress } from '../../../storage/view/block.ts';
import type { Command, Input, OptionSpec } from '../../command.ts';
import { usageError } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { DATA_FOLDER_OPTIONS, hubConfig } from '../../hub-config.ts';
import { printable, type Terminal } from '../../terminal.ts';

/** The options of the commands that ask the brokers of a cluster. */
export const CLUSTER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...DATA_FOLDER_OPTIONS,
};

/** The configuration of a hub of a cluster. @throws CliError without a section `cluster` */
export async function clusterConfig(command: Command, input: Input): Promise<Config> {
  const { config } = await hubConfig(input);
  if (config.cluster.nats.length > 0) return config;
  throw usageError(command, 'the configuration has no cluster: set cluster.nats, or give --config FILE');
}

/**
 * Asks the brokers, and listens to the hubs for some seconds.
 * @throws CliError when no broker answers
 */
export async function inspect({ cluster }: Config, applied?: BlockAddress): Promise<ClusterInspection> {
  const { inspectCluster } = await import('../../../storage/cluster-tools.ts');
  try {
    return await inspectCluster(cluster, applied);
  } catch (error) {
    throw new CliError(
      'unreachable',
      `no broker of ${cluster.nats.join(', ')} can be used: ${(error as Error).message}`,
      'Is nats-server running there, with JetStream? Do cluster.credentials and cluster.tls match it?',
    );
  }
}

/** The configuration of a hub as its storage reads it, for the commands that move data. */
export async function storageOptionsOf(command: Command, config: Config, terminal: Terminal): Promise<StorageOptions> {
  const { dataFolderOf } = await import('../../../storage/data-setting.ts');
  const { systemWorld } = await import('../../../operate/world.ts');
  if (dataFolderOf(config.data) === undefined)
    throw usageError(command, 'a hub in memory (data: :memory:) has no folder: set data, or give --data FOLDER');
  const line = (fields: object, message: string): string => printable(`${message} ${JSON.stringify(fields)}`);
  const info = (fields: object, message: string): void => terminal.progress(line(fields, message));
  // They stay on the screen. Example: the exported log gets a new epoch.
  const warn = (fields: object, message: string): void => terminal.notice(line(fields, message));
  return { ...config, ...systemWorld, eventBytesMax: largestEventBytes(config), logger: { info, warn, error: warn } };
}

/** The lines about the brokers and their stream, for people. */
export function journalLines({ journal, brokers, unsafe }: ClusterInspection): readonly string[] {
  const sync = (isSyncing: boolean): string => (isSyncing ? 'sync_interval: always' : 'does not sync always');
  return [
    ...brokers.map(({ name, version, syncAlways }) => `broker ${name}  NATS ${version}  ${sync(syncAlways)}`),
    ...(journal === null
      ? []
      : [
          `journal  blocks ${journal.firstSequence} to ${journal.lastSequence}, replicas ${journal.replicas}, leader ${journal.leader ?? 'none'}`,
        ]),
    ...(unsafe === null ? [] : [`unsafe  ${unsafe}`]),
  ];
}
