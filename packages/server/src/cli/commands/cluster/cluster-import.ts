import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { formatCount } from '../../quantities.ts';
import { CLUSTER_OPTIONS, clusterConfig, inspect, storageOptionsOf } from './cluster-config.ts';

export const clusterImport: Command = {
  name: 'cluster import',
  summary: 'Makes the data of a stopped hub the start of an empty cluster.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'Run it on the machine of the hub, with the configuration that the hub will have in the cluster. It moves events, idempotency keys, subscriptions, API keys, revocations, portal links and the audit log. The epoch stays, so all cursors are valid. Afterwards the data folder belongs to the first hub of the cluster. Hubs with empty folders receive the rest from the brokers. It refuses a cluster in which a hub has started before. If it is interrupted, run it again.',
  options: {
    ...CLUSTER_OPTIONS,
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast cluster import --config polycast.yaml && polycast serve --config polycast.yaml',
      description: 'from one machine to many, on the machine of the hub that was stopped',
    },
  ],
  async run(input, terminal) {
    const { out, style } = terminal;
    const config = await clusterConfig(clusterImport, input);
    const options = await storageOptionsOf(clusterImport, config, terminal);
    const { importFolder } = await import('../../../storage/cluster-moves.ts');
    const imported = await importFolder({ ...options, inspect: () => inspect(config) }).finally(() =>
      terminal.clearProgress(),
    );
    const { epoch, events, keys, subscriptions } = imported;
    const cluster = config.cluster.name;
    if (input.flag('json')) out(JSON.stringify({ cluster, ...imported }));
    else
      out(
        `${style('green', 'imported')}: the cluster ${cluster} has ${formatCount(events)} events, ${formatCount(subscriptions)} subscriptions and ${formatCount(keys)} keys, in the epoch ${epoch}. Start its hubs.`,
      );
    return 'done';
  },
};
