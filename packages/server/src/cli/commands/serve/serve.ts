import type { Command } from '../../command.ts';
import { HUB_OPTIONS, hubConfig } from '../../hub-config.ts';
import { runHub } from './run-hub.ts';
import { pasteable } from '../../pasteable.ts';
import type { Terminal } from '../../terminal.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Runs a hub as configured.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'The configuration comes from a YAML file, from POLYCAST_* variables and from flags; flags go before variables, variables before the file. SIGTERM, SIGINT and SIGQUIT send all sessions away over drain.timeMs and end the hub; a second one ends it at once. SIGHUP reads the TLS certificate again; other signals are ignored, with a line that says so.',
  options: HUB_OPTIONS,
  examples: [
    { command: 'polycast serve --config polycast.yaml', description: 'as the file says' },
    { command: 'POLYCAST_DATA=/var/lib/polycast polycast serve', description: 'by the environment' },
    {
      command: 'polycast serve --listen 0.0.0.0:8080 --set access=open',
      description: 'for a whole network, without access control',
    },
  ],
  async run(input, terminal) {
    const { config } = await hubConfig(input);
    return runHub(config, terminal, { anyPort: false, greet: ({ firstKey }) => showFirstKey(firstKey, terminal) });
  },
};

/**
 * Prints the first key: without it a new hub cannot be used. The key has a line of its own, so that
 * a double click selects all of it.
 */
function showFirstKey(key: string | undefined, { out, style }: Terminal): void {
  if (key === undefined) return;
  out('');
  out(style('bold', 'The first key, good for everything. It is shown this once; keep it where your secrets are:'));
  out('');
  out(key);
  out('');
  out(
    style(
      'dim',
      pasteable('Use it as POLYCAST_KEY, or as Authorization: Bearer. Keys for less: polycast keys create --help'),
    ),
  );
}
