import { largestEventBytes } from '../../../config/largest-event.ts';
import type { Config } from '../../../config/parse.ts';
import { packageVersion } from '../../../platform/package-files.ts';
import type { ClusterInspection, FolderRole } from '../../../storage/cluster-tools.ts';
import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { CLUSTER_OPTIONS, clusterConfig, inspect } from './cluster-config.ts';

/** One thing that was checked. `blocks`: a hub would not start or not become ready. */
interface JoinFinding {
  readonly result: 'ok' | 'warning' | 'blocks';
  readonly text: string;
}

export const clusterJoin: Command = {
  name: 'cluster join',
  summary: 'Checks whether a hub can join a cluster, before it starts.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'Run it on the machine of the new hub, with its configuration. It changes nothing: polycast serve joins. It checks the brokers and their sync, the replicas, the largest event, the data folder, and the versions of the hubs that run. It ends with 1 if a hub would not start or not become ready.',
  options: { ...CLUSTER_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    {
      command: 'polycast cluster join --config polycast.yaml && polycast serve --config polycast.yaml',
      description: 'check, then start',
    },
  ],
  async run(input, { out, style }) {
    const config = await clusterConfig(clusterJoin, input);
    const { readFolderRole } = await import('../../../storage/cluster-tools.ts');
    const { dataFolderOf } = await import('../../../storage/data-setting.ts');
    const folder = dataFolderOf(config.data);
    const role: FolderRole = folder === undefined ? { role: 'empty' } : readFolderRole(folder);
    const applied = role.role === 'view' ? role.applied : undefined;
    const found = await inspect(config, applied);
    const findings = [
      brokerFinding(found),
      sizeFinding(config, found),
      folderFinding(config, role, found),
      hubFinding(found),
    ];
    const canJoin = findings.every(({ result }) => result !== 'blocks');
    if (input.flag('json')) out(JSON.stringify({ canJoin, findings }));
    else for (const { result, text } of findings) out(`${style(COLORS[result], result)}  ${text}`);
    return canJoin ? 'done' : 'failed';
  },
};

const COLORS = { ok: 'green', warning: 'yellow', blocks: 'red' } as const;

function brokerFinding({ unsafe, brokers, journal }: ClusterInspection): JoinFinding {
  if (unsafe !== null) return { result: 'blocks', text: `confirmed events may be lost: ${unsafe}` };
  const blocks =
    journal === null ? 'the first hub creates the journal' : `the journal has ${journal.lastSequence} blocks`;
  return { result: 'ok', text: `${brokers.length} brokers confirm durably; ${blocks}` };
}

function sizeFinding(config: Config, { eventBytesMax }: ClusterInspection): JoinFinding {
  const largest = largestEventBytes(config);
  return largest <= eventBytesMax
    ? { result: 'ok', text: `the brokers accept the largest event that a rule allows, ${largest} bytes` }
    : { result: 'blocks', text: `a rule allows events of ${largest} bytes, and the brokers accept ${eventBytesMax}` };
}

function folderFinding({ data }: Config, role: FolderRole, { hasFolderBlock }: ClusterInspection): JoinFinding {
  if (role.role === 'log')
    return { result: 'blocks', text: `${data} has the log of a hub without a cluster: use an empty folder` };
  if (role.role === 'empty') return { result: 'ok', text: `${data} has no events: the hub receives all of them` };
  if (hasFolderBlock !== false) return { result: 'ok', text: `${data} has blocks up to ${role.applied.sequence}` };
  const text = `the journal does not have block ${role.applied.sequence} of ${data}: brokers have lost blocks, or it is of another cluster. The hub would build its data again, and begin a new epoch`;
  return { result: 'warning', text };
}

function hubFinding({ hubs }: ClusterInspection): JoinFinding {
  const version = packageVersion();
  const others = [...new Set(hubs.map((hub) => hub.version))].filter((other) => other !== version);
  if (others.length === 0) return { result: 'ok', text: `${hubs.length} hubs run, with this version` };
  return { result: 'warning', text: `hubs run with ${others.join(', ')}, and this is ${version}` };
}
