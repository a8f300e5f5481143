import { JSON_DOCUMENT, type Command } from '../../command.ts';
import { HUB_OPTIONS, hubConfig } from '../../hub-config.ts';
import { runHub } from './run-hub.ts';
import { pasteable } from '../../pasteable.ts';
import type { Terminal } from '../../terminal.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Runs a hub.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'The configuration comes from a YAML file, from POLYCAST_* variables and from flags. Flags override variables, and variables override the file. SIGTERM, SIGINT and SIGQUIT close all sessions over drain.timeMs and stop the hub; a second one stops it immediately. SIGHUP reloads the configuration, like polycast reload. The hub ignores other signals and logs a line.',
  options: { ...HUB_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    { command: 'polycast serve --config polycast.yaml', description: 'with a configuration file' },
    { command: 'POLYCAST_DATA=/var/lib/polycast polycast serve', description: 'with environment variables' },
    {
      command: 'polycast serve --listen 0.0.0.0:7400 --set access=open',
      description: 'for a whole network, without access control',
    },
  ],
  async run(input, terminal) {
    const { config } = await hubConfig(input);
    return runHub(config, terminal, {
      anyPort: false,
      loadConfig: async () => (await hubConfig(input)).config,
      asJson: input.flag('json'),
      greet: ({ firstKey }) => showFirstKey(firstKey, terminal),
    });
  },
};

/**
 * Prints the first key: without it a new hub cannot be used. The key has a line of its own, so that
 * a double click selects all of it.
 */
function showFirstKey(key: string | undefined, { out, style }: Terminal): void {
  if (key === undefined) return;
  out('');
  out(style('bold', 'The first key, with all permissions. It is shown only once. Store it with your other secrets:'));
  out('');
  out(key);
  out('');
  out(
    style(
      'dim',
      pasteable(
        'Use it as POLYCAST_KEY, or as Authorization: Bearer. For keys with fewer permissions: polycast keys create --help',
      ),
    ),
  );
}
