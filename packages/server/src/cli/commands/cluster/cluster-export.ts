import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { formatCount } from '../../quantities.ts';
import { CLUSTER_OPTIONS, clusterConfig, inspect, storageOptionsOf } from './cluster-config.ts';

export const clusterExport: Command = {
  name: 'cluster export',
  summary: 'Writes the data of a stopped cluster into a data folder for one hub.',
  usage: '<folder>',
  argumentsMin: 1,
  argumentsMax: 1,
  details:
    'Stop all hubs first. Run it on the machine of the one hub, with the configuration of a hub of the cluster. Its data folder may be that of a hub that has stopped, or empty: the command receives what is missing from the brokers. If it is interrupted, run it again. Events, idempotency keys, subscriptions, API keys, revocations, portal links and the audit log move. The epoch stays, so all cursors are valid. The cluster gets another epoch: if a hub starts in it later, its events are not taken for those of the one hub. With --without-brokers it writes what the data folder has. Confirmed events may be missing then, so the log gets a new epoch.',
  options: {
    ...CLUSTER_OPTIONS,
    'without-brokers': { doc: 'Asks no broker: for a cluster whose brokers are lost.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast cluster export /var/lib/polycast-one --config polycast.yaml',
      description: 'from many machines to one, after all hubs were stopped',
    },
    {
      command: 'polycast cluster export /var/lib/polycast-one --config polycast.yaml --without-brokers',
      description: 'after all brokers were lost',
    },
  ],
  async run(input, terminal) {
    const { out, style } = terminal;
    const [target = ''] = input.arguments;
    const config = await clusterConfig(clusterExport, input);
    const options = await storageOptionsOf(clusterExport, config, terminal);
    const { exportFolder } = await import('../../../storage/cluster-moves.ts');
    const withoutBrokers = input.flag('without-brokers');
    const exported = await exportFolder({ ...options, target, withoutBrokers, inspect: () => inspect(config) }).finally(
      () => terminal.clearProgress(),
    );
    const { epoch, events, keys, subscriptions, sequence } = exported;
    const name = withoutBrokers ? 'the new epoch' : 'the epoch';
    if (input.flag('json')) out(JSON.stringify({ folder: target, ...exported }));
    else
      out(
        `${style('green', 'exported')}: ${target} has ${formatCount(events)} events, ${formatCount(subscriptions)} subscriptions and ${formatCount(keys)} keys, up to block ${sequence}, in ${name} ${epoch}. Start one hub with it, without cluster.`,
      );
    return 'done';
  },
};
