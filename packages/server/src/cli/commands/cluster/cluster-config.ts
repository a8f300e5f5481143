import type { Config } from '../../../config/parse.ts';
import type { ClusterInspection } from '../../../storage/cluster-tools.ts';
import type { Command, Input, OptionSpec } from '../../command.ts';
import { usageError } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { HUB_OPTIONS, hubConfig } from '../../hub-config.ts';

/** The options of the commands that ask the brokers of a cluster. */
export const CLUSTER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: HUB_OPTIONS['config'] as OptionSpec,
  data: HUB_OPTIONS['data'] as OptionSpec,
  set: HUB_OPTIONS['set'] as OptionSpec,
};

/** The configuration of a hub of a cluster. @throws CliError without a section `cluster` */
export async function clusterConfig(command: Command, input: Input): Promise<Config> {
  const { config } = await hubConfig(input);
  if (config.cluster.nats.length > 0) return config;
  throw usageError(command, 'the configuration has no cluster: set cluster.nats, or give --config FILE');
}

export function brokersUnreachable({ cluster }: Config, error: unknown): CliError {
  const { message } = error as Error;
  return new CliError(
    'unreachable',
    `no broker of ${cluster.nats.join(', ')} can be used: ${message}`,
    'Is nats-server running there, with JetStream? Do cluster.credentials and cluster.tls match it?',
  );
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
