import { HELP_OPTION, JSON_DOCUMENT, type Command } from '../command.ts';
import { completionScript, SHELLS, type CompletableCommand, type Shell } from './completion-scripts.ts';
import { CliError } from '../exit-codes.ts';

/**
 * Makes the command that prints a shell's completion script.
 * @param loadAll the commands to complete, with this one
 */
export function completionCommand(loadAll: () => Promise<readonly Command[]>): Command {
  return {
    name: 'completion',
    summary: 'Prints the completion for a shell: bash, zsh or fish.',
    usage: '<shell>',
    argumentsMin: 1,
    argumentsMax: 1,
    options: { json: JSON_DOCUMENT },
    examples: [
      { command: 'source <(polycast completion bash)', description: 'in ~/.bashrc' },
      { command: 'source <(polycast completion zsh)', description: 'in ~/.zshrc, after compinit' },
      { command: 'polycast completion fish > ~/.config/fish/completions/polycast.fish', description: 'once' },
    ],
    async run(input, { out }) {
      const [shell] = input.arguments;
      if (!SHELLS.includes(shell as Shell))
        throw new CliError('usage', `"${shell}" is not a known shell: ${SHELLS.join(', ')}`);
      const script = completionScript(shell as Shell, (await loadAll()).map(describe));
      out(input.flag('json') ? JSON.stringify({ shell, script }) : script);
      return 'done';
    },
  };
}

function describe({ name, summary, options }: Command): CompletableCommand {
  const all = Object.entries({ ...options, help: HELP_OPTION });
  return { words: name.split(' '), summary, options: all.map(([option, spec]) => ({ ...spec, name: option })) };
}
