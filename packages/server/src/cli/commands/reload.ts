import { JSON_DOCUMENT, type Command } from '../command.ts';
import { CliError } from '../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../hub-address.ts';
import { requestHub } from '../hub-request.ts';

interface Reloaded {
  readonly applied: readonly string[];
  readonly restart: readonly string[];
  readonly sessions: number;
}

export const reload: Command = {
  name: 'reload',
  summary: 'Makes a running hub read its configuration again.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'The hub applies changed rules, limits, keys and certificates, and drops no connection that they still allow. It names the changes that need a restart. An invalid configuration changes nothing, and the command ends with 78 and every problem. SIGHUP does the same, with the result in the log of the hub. The key needs the scope admin.',
  options: { ...HUB_ADDRESS_OPTIONS, json: JSON_DOCUMENT },
  examples: [{ command: 'polycast reload', description: 'after a change of the configuration file' }],
  async run(input, { out, style }) {
    const result = (await requestHub(hubAddress(input), 'POST', '/v1/reload', undefined, {}, ({ code, detail }) => {
      if (code !== 'config_invalid') return undefined;
      throw new CliError('configuration', `the configuration is not valid, nothing has changed: ${detail ?? ''}`);
    })) as Reloaded;
    if (input.flag('json')) {
      out(JSON.stringify(result));
      return 'done';
    }
    const { applied, restart, sessions } = result;
    if (applied.length + restart.length === 0) out(`${style('green', 'unchanged')}: no setting has changed`);
    if (applied.length > 0) out(`${style('green', 'applied')}: ${applied.join(', ')}`);
    if (sessions > 0) out(`${style('yellow', 'sessions')}: ${sessions} lost a channel or ended, by the new rules`);
    if (restart.length > 0) out(`${style('yellow', 'needs a restart')}: ${restart.join(', ')}`);
    return 'done';
  },
};
