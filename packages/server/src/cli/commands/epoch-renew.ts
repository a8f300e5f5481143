import { existsSync } from 'node:fs';
import { usageError, type Command } from '../command.ts';
import { CliError } from '../exit-codes.ts';
import { HUB_OPTIONS, hubConfig } from '../hub-config.ts';

export const epochRenew: Command = {
  name: 'epoch renew',
  summary: 'Gives the log of a stopped hub a new epoch.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'For a data folder that was restored in a way that the hub cannot notice, such as a snapshot of the whole disk. Consumers that come back with a cursor from before get a gap, never a wrong event. No event is removed. The hub must not run.',
  options: HUB_OPTIONS,
  examples: [
    {
      command: 'polycast epoch renew --data /var/lib/polycast',
      description: 'after restoring a snapshot, before starting the hub',
    },
  ],
  async run(input, { out, style }) {
    const { config } = await hubConfig(input);
    const { dataFolderOf, renewFolderEpoch } = await import('../../storage/data-folder.ts');
    const folder = dataFolderOf(config.data);
    if (folder === undefined) throw usageError(epochRenew, 'a log in memory begins a new epoch at each start');
    if (!existsSync(folder))
      throw new CliError('failed', `there is no data folder at ${folder}`, 'Name it with --data FOLDER');
    out(`${style('green', 'renewed')}: the epoch of ${folder} is now ${renewFolderEpoch(folder)}`);
    return 'done';
  },
};
