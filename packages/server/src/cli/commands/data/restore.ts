import type { Restored } from '../../../storage/backup.ts';
import { usageError, type Command } from '../../command.ts';
import { DATA_FOLDER_OPTIONS, hubConfig } from '../../hub-config.ts';
import { formatCount } from '../../quantities.ts';
import type { Terminal } from '../../terminal.ts';

export const restore: Command = {
  name: 'restore',
  summary: 'Restores a backup into the data folder of a stopped hub.',
  usage: '<file>',
  argumentsMin: 1,
  argumentsMax: 1,
  details:
    'It checks the whole backup first, and changes nothing if it is damaged. The log gets a new epoch: clients with an older cursor receive the gap epoch. Subscriptions continue where they were at the backup, after the gap epoch. So webhooks and workers may receive events again that they had received after the backup. To try a backup on another machine, use --pause-webhooks.',
  options: {
    ...DATA_FOLDER_OPTIONS,
    overwrite: { doc: 'Replaces all data of a folder that has data.' },
    'pause-webhooks': { doc: 'Pauses all active webhooks: nothing is sent until you resume them.' },
    json: { doc: 'Prints the result as one line of JSON.' },
  },
  examples: [
    { command: 'polycast restore polycast.backup --data /var/lib/polycast', description: 'into a new folder' },
    {
      command: 'polycast restore polycast.backup --data ./trial --pause-webhooks',
      description: 'to try a backup, without requests to customers',
    },
  ],
  async run(input, terminal) {
    const [file = ''] = input.arguments;
    const { config } = await hubConfig(input);
    const { dataFolderOf } = await import('../../../storage/data-setting.ts');
    const { restoreBackup } = await import('../../../storage/backup.ts');
    const folder = dataFolderOf(config.data);
    if (folder === undefined) throw usageError(restore, 'a hub in memory (data: :memory:) cannot have a backup');
    const restored = restoreBackup({
      file,
      folder,
      overwrite: input.flag('overwrite'),
      pauseWebhooks: input.flag('pause-webhooks'),
      onProgress: (fraction) => terminal.progress(`checking and copying ${Math.floor(fraction * 100)} %`),
    });
    terminal.clearProgress();
    if (input.flag('json')) {
      const { manifest, epoch, webhooksPaused } = restored;
      terminal.out(JSON.stringify({ folder, moment: manifest.moment, epoch, webhooksPaused, log: manifest.log }));
    } else show(folder, restored, terminal);
    return 'done';
  },
};

function show(
  folder: string,
  { manifest: { moment, log }, epoch, webhooksPaused }: Restored,
  { out, style }: Terminal,
): void {
  out(
    `${style('green', 'restored')}: ${folder} has ${formatCount(log.events)} events, with everything that was acknowledged before ${moment}, in the new epoch ${epoch}`,
  );
  out(
    'Keys, revocations and subscriptions are those of that moment. Repeat the changes since: the log of the hub has its audit entries.',
  );
  out(
    webhooksPaused > 0
      ? `${formatCount(webhooksPaused)} webhooks are paused. Resume them with polycast subscriptions resume ID.`
      : 'Webhooks continue when the hub starts, and may send events again that they had sent after that moment.',
  );
}
