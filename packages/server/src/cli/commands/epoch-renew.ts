import { existsSync } from 'node:fs';
import { JSON_DOCUMENT, usageError, type Command } from '../command.ts';
import { CliError } from '../exit-codes.ts';
import { DATA_FOLDER_OPTIONS, hubConfig } from '../hub-config.ts';

export const epochRenew: Command = {
  name: 'epoch renew',
  summary: 'Sets a new epoch for the log of a stopped hub.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'Use it after a restore that the hub cannot detect, such as a snapshot of the whole disk. Consumers with an older cursor then receive a gap, and never a wrong event. The command removes no events. The hub must be stopped.',
  options: { ...DATA_FOLDER_OPTIONS, json: JSON_DOCUMENT },
  examples: [
    {
      command: 'polycast epoch renew --data /var/lib/polycast',
      description: 'after restoring a snapshot, before starting the hub',
    },
  ],
  async run(input, { out, style }) {
    const { config } = await hubConfig(input);
    const { dataFolderOf } = await import('../../storage/data-setting.ts');
    const { renewFolderEpoch } = await import('../../storage/stopped-hub.ts');
    const folder = dataFolderOf(config.data);
    if (folder === undefined) throw usageError(epochRenew, 'a log in memory has a new epoch at each start');
    if (!existsSync(folder)) throw new CliError('failed', `there is no data folder at ${folder}`, 'Use --data FOLDER');
    const epoch = renewFolderEpoch(folder);
    const text = `${style('green', 'renewed')}: the epoch of ${folder} is now ${epoch}`;
    out(input.flag('json') ? JSON.stringify({ folder, epoch }) : text);
    return 'done';
  },
};
