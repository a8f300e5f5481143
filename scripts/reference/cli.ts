import { HELP_OPTION, usageOf, type Command } from '../../packages/server/src/cli/command.ts';
import { loadCommands } from '../../packages/server/src/cli/commands.ts';
import { EXIT_CODES } from '../../packages/server/src/cli/exit-codes.ts';
import { optionForm } from '../../packages/server/src/cli/help.ts';
import { code, page, table } from './markdown.ts';

/** docs/reference/cli.md */
export async function cliPage(): Promise<string> {
  const commands = await loadCommands();
  return page(
    'Command line',
    '`packages/server/src/cli/`',
    '`polycast <command> --help` shows the same on the terminal. Results go to standard output, everything else to standard error. Colours appear only on a terminal; `NO_COLOR=1` turns them off.',
    table(
      ['command', 'does'],
      commands.map(({ name, summary }) => [`[\`polycast ${name}\`](#polycast-${name.replaceAll(' ', '-')})`, summary]),
    ),
    ...commands.map(entry),
    '## JSON',
    'Every command has `--json`, in one of two forms. A command with one result prints one JSON document on one line. A command that lists or follows something prints one line of JSON for each entry (NDJSON), and none for an empty list. Messages and errors are text on standard error, and the exit code tells the outcome. `serve` and `dev` print their document once they listen.',
    '## Exit codes',
    table(
      ['code', 'means'],
      Object.values(EXIT_CODES).map(({ code: number, meaning }) => [String(number), meaning]),
    ),
    '## Variables',
    table(
      ['variable', 'does'],
      [
        [
          code('POLYCAST_URL'),
          'The hub for `publish`, `follow`, `subscriptions` and similar commands, if `--url` is not given.',
        ],
        [code('POLYCAST_CONFIG'), 'The configuration file of `serve`, `dev` and `config`, if `--config` is not given.'],
        [code('POLYCAST_…'), 'One for each field of the [configuration](configuration.md).'],
      ],
    ),
  );
}

function entry(command: Command): string {
  const { name, summary, details, options, examples } = command;
  const all = Object.entries({ ...options, help: HELP_OPTION });
  return [
    `## polycast ${name}`,
    `\`${`polycast ${name} ${usageOf(command)}`.trim()} [options]\``,
    details === undefined ? summary : `${summary} ${details}`,
    table(
      ['option', ''],
      all.map(([option, spec]) => [code(optionForm(option, spec).trim()), spec.doc]),
    ),
    `\`\`\`sh\n${examples.map((each) => `# ${each.description}\n${each.command}`).join('\n\n')}\n\`\`\``,
  ].join('\n\n');
}
