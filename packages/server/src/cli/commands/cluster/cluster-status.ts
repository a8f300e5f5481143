import type { ClusterInspection, InspectedHub } from '../../../storage/cluster-tools.ts';
import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { formatBytes } from '../../quantities.ts';
import { CLUSTER_OPTIONS, clusterConfig, inspect, journalLines } from './cluster-config.ts';

export const clusterStatus: Command = {
  name: 'cluster status',
  summary: 'Shows the hubs and brokers of a cluster.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'It asks the brokers with the configuration of a hub, and listens to the hubs for some seconds. So it needs no hub that works, and no key. The line of a hub has its name, its machine and its version. It also has the newest block that the hub has applied, the hash of its data there, and the distance to the journal’s end. One hub works on subscriptions. It ends with 1 if no hub runs, if hubs have different data, or if confirmed events may be lost.',
  options: { ...CLUSTER_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    { command: 'polycast cluster status --config polycast.yaml', description: 'of the cluster of this configuration' },
    { command: 'polycast cluster status --json | jq .hubs', description: 'for programs' },
  ],
  async run(input, { out, notice }) {
    const config = await clusterConfig(clusterStatus, input);
    const found = await inspect(config);
    if (input.flag('json')) out(JSON.stringify(found));
    else for (const line of linesOf(found)) out(line);
    const { journal, hubs, unsafe } = found;
    if (journal === null) notice('The cluster has no journal yet. The first hub that starts creates it.');
    return unsafe === null && hubs.length > 0 && !hubs.some(({ differs }) => differs) ? 'done' : 'failed';
  },
};

function linesOf(found: ClusterInspection): readonly string[] {
  const { name, hubs, journal } = found;
  const size = journal === null ? '' : `, journal of ${formatBytes(journal.bytes)}`;
  return [`cluster ${name}  hubs ${hubs.length}${size}`, ...hubs.map(lineOf), ...journalLines(found)];
}

function lineOf({ hub, host, version, sequence, behind, hash, differs, subscriptionOwner }: InspectedHub): string {
  const data = `${hash.toString(16).padStart(8, '0')}${differs ? ' DIFFERS' : ''}`;
  const work = subscriptionOwner === hub ? '  works on subscriptions' : '';
  return `hub ${hub}  ${host}  Polycast ${version}  block ${sequence}  ${behind} behind  data ${data}${work}`;
}
