import { JSON_DOCUMENT, type Command } from '../../../command.ts';
import { HUB_ADDRESS_OPTIONS } from '../../../hub-address.ts';
import { HUB_OPTIONS } from '../../../hub-config.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Checks a hub and its machine, and says what to do.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'It checks versions, the configuration, the hub, its subscriptions, open files, the clock, the speed of the disk, free space, permissions and certificates. With --through it also checks the proxy in front of the hub. Run it as the user of the hub, with the configuration of the hub and a key with the scope admin. It writes a small file into the data folder and removes it. It ends with 0 if all is well, with 3 for warnings, and with 1 for failures.',
  options: {
    ...HUB_OPTIONS,
    ...HUB_ADDRESS_OPTIONS,
    through: { value: 'URL', doc: 'The public URL: checks buffering, WebSockets and addresses through the proxy.' },
    hold: { value: 'SECONDS', doc: 'With --through: keeps a quiet stream open for so long, to find timeouts.' },
    json: JSON_DOCUMENT,
  },
  examples: [
    {
      command: 'polycast doctor --config polycast.yaml',
      description: 'before the first start, and when something is wrong',
    },
    { command: 'polycast doctor --through https://hub.example', description: 'with the proxy in front of the hub' },
    { command: 'polycast doctor --json', description: 'for a monitoring job' },
  ],
  async run(input, terminal) {
    // The checks need most of the hub's code, which other commands do without.
    const { examine } = await import('./examination.ts');
    return examine(input, terminal);
  },
};
