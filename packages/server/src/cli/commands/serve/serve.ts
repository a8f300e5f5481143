import type { LoadedConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/parse.ts';
import { JSON_DOCUMENT, type Command, type Input } from '../../command.ts';
import type { ExitName } from '../../exit-codes.ts';
import { HUB_OPTIONS, hubConfig } from '../../hub-config.ts';
import { runWorker, workerPlace } from './processes/run-worker.ts';
import { runHub, showFirstKey, startDocument } from './run-hub.ts';
import type { Terminal } from '../../terminal.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Runs a hub.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'The configuration comes from a YAML file, from POLYCAST_* variables and from flags. Flags override variables, and variables override the file. SIGTERM, SIGINT and SIGQUIT close all sessions over drain.timeMs and stop the hub; a second one stops it immediately. A hub that has not closed 18 s after drain.timeMs kills itself. SIGHUP reloads the configuration, like polycast reload. The hub ignores other signals and logs a line.',
  options: {
    ...HUB_OPTIONS,
    processes: {
      value: 'NUMBER',
      doc: 'The number of processes, or auto for one per processor core, instead of `processes` of the configuration.',
    },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast serve --config polycast.yaml', description: 'with a configuration file' },
    { command: 'POLYCAST_DATA=/var/lib/polycast polycast serve', description: 'with environment variables' },
    {
      command: 'polycast serve --listen 0.0.0.0:7400 --set access=open',
      description: 'for a whole network, without access control',
    },
    { command: 'polycast serve --processes auto', description: 'on all processor cores' },
  ],
  async run(input, terminal) {
    const { config, origins } = await hubConfig(input);
    const loadConfig = (): Promise<LoadedConfig> => hubConfig(input);
    const place = workerPlace(process.env);
    if (place !== undefined) return runWorker({ config, origins }, place, loadConfig, terminal);
    if (config.processes !== 1) return serveProcesses(config, input, terminal);
    return runHub(config, terminal, {
      anyPort: false,
      origins,
      loadConfig,
      asJson: input.flag('json'),
    });
  },
};

async function serveProcesses(config: Config, input: Input, terminal: Terminal): Promise<ExitName> {
  const { processCount, runProcesses } = await import('./processes/run-processes.ts');
  return runProcesses(config, terminal, {
    listening(ready, processes) {
      if (input.flag('json')) return terminal.out(JSON.stringify({ ...startDocument(ready, config), processes }));
      terminal.out(`Polycast listening on ${ready.url}`);
      terminal.out(terminal.style('dim', `  ${startedText(processes, processCount(config))}`));
      showFirstKey(ready.firstKey, terminal);
    },
    openedAgain({ firstKey }) {
      if (!input.flag('json')) showFirstKey(firstKey, terminal);
    },
  });
}

function startedText(processes: readonly number[], count: number): string {
  const owner = `the owner of the data is ${processes[0]}`;
  if (processes.length === count) return `${count} processes, ${owner}`;
  return `${processes.length} of ${count} processes, ${owner}; the others are tried again until they start`;
}
