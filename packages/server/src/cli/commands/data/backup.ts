import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BackupManifest, BackupStage } from '../../../storage/backup.ts';
import { usageError, type Command, type Input } from '../../command.ts';
import { DATA_FOLDER_OPTIONS, hubConfig } from '../../hub-config.ts';
import { formatBytes, formatCount } from '../../quantities.ts';
import type { Terminal } from '../../terminal.ts';

/** The name of standard output. */
const STANDARD_OUTPUT = '-';

export const backup: Command = {
  name: 'backup',
  summary: 'Copies all data of a hub into one file, while the hub runs.',
  usage: '<file>',
  argumentsMin: 1,
  argumentsMax: 1,
  details:
    'The file has the events, subscriptions, keys, revocations, the audit log and presence of one moment. It has everything that the hub had acknowledged before that moment. The command reads the data folder, so it runs on the machine of the hub, as the user of the hub. It appears under its name when it is complete, and then replaces a file of that name. It contains events and secrets of webhooks, and only your user can read it. With - it goes to standard output, for another machine: ssh hub polycast backup - > file.',
  options: { ...DATA_FOLDER_OPTIONS, json: { doc: 'Prints the result as one line of JSON.' } },
  examples: [
    { command: 'polycast backup /var/backups/polycast.backup --data /var/lib/polycast', description: 'every night' },
    { command: 'ssh hub.example polycast backup - | zstd > polycast.backup.zst', description: 'from another machine' },
  ],
  async run(input, terminal) {
    const [file = ''] = input.arguments;
    if (file === STANDARD_OUTPUT && input.flag('json')) throw usageError(backup, '--json cannot go with -');
    const folder = await folderOf(input);
    if (file !== STANDARD_OUTPUT) {
      const replaced = existsSync(file);
      report(input, file, await makeBackup(folder, file, terminal), terminal);
      if (replaced && !input.flag('json')) terminal.notice('It has replaced the earlier file of this name.');
      return 'done';
    }
    const temporary = mkdtempSync(join(tmpdir(), 'polycast-backup-'));
    try {
      const made = join(temporary, 'backup');
      await makeBackup(folder, made, terminal);
      await pipeline(createReadStream(made), process.stdout, { end: false });
    } finally {
      rmSync(temporary, { recursive: true });
    }
    return 'done';
  },
};

async function folderOf(input: Input): Promise<string> {
  const { config } = await hubConfig(input);
  const { dataFolderOf } = await import('../../../storage/data-setting.ts');
  const folder = dataFolderOf(config.data);
  if (folder === undefined) throw usageError(backup, 'a hub in memory (data: :memory:) has no folder to back up');
  return folder;
}

const STAGES: Readonly<Record<BackupStage, string>> = {
  events: 'copying events',
  state: 'copying subscriptions, keys and presence',
  index: 'building the index',
  seal: 'computing the checksum',
};

async function makeBackup(folder: string, file: string, terminal: Terminal): Promise<BackupManifest> {
  const { writeBackup } = await import('../../../storage/backup.ts');
  // The hub needs the processor more.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const onProgress = (stage: BackupStage, fraction: number): void => {
    const percent = stage === 'events' ? ` ${Math.floor(fraction * 100)} %` : '';
    terminal.progress(`${STAGES[stage]}${percent}`.slice(0, terminal.columns - 1));
  };
  try {
    return await writeBackup({ folder, file, onProgress });
  } finally {
    terminal.clearProgress();
  }
}

function report(
  input: Input,
  file: string,
  manifest: BackupManifest,
  { out, notice, style, noticeStyle }: Terminal,
): void {
  const { moment, version, log, files } = manifest;
  const bytes = statSync(file).size;
  if (input.flag('json')) out(JSON.stringify({ file, bytes, moment, version, log, files }));
  else
    out(
      `${style('green', 'backed up')}: ${file}, ${formatBytes(bytes)}, ${formatCount(log.events)} events in ${formatCount(log.channels)} channels, with everything that was acknowledged before ${moment}`,
    );
  if (log.incompleteChannels > 0)
    notice(
      `${noticeStyle('yellow', 'warning')}: ${formatCount(log.incompleteChannels)} channels have fewer events than the hub has counted; see log_damaged in the troubleshooting guide`,
    );
}
