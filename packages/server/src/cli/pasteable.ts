import { realpathSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';

/**
 * A command, or a sentence with commands, as it works when it is pasted into a shell: `polycast …` where the shell finds this program
 * under its name, else `npx polycast …`, as in a checkout, or in a project that has it among its dependencies.
 */
export function pasteable(text: string): string {
  return text.replaceAll(COMMAND, `${(commandName ??= findCommandName())} `);
}

/** The name before a command or an option, and not as a part of a word or a path. */
const COMMAND = /(?<![\w./-]|npx )polycast (?=[a-z<-])/g;

let commandName: string | undefined;

function findCommandName(): string {
  const executable = realPath(process.argv[1] ?? '');
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  // npm puts these there for what it runs; the shell that the command is pasted into does not have them.
  const isFound = folders.some(
    (folder) =>
      !folder.includes(join('node_modules', '.bin')) &&
      executable !== undefined &&
      realPath(folder + sep + 'polycast') === executable,
  );
  return isFound ? 'polycast' : 'npx polycast';
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
