import { realpathSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';

/**
 * Makes the commands in a text work when they are pasted into a shell. It writes `polycast …` where
 * the shell finds this program under its name. Otherwise it writes `npx polycast …`, as in a
 * checkout or in a project that depends on it.
 */
export function pasteable(text: string): string {
  return text.replaceAll(COMMAND, `${(commandName ??= findCommandName())} `);
}

/** The name before a command or an option, but not as a part of a word or a path. */
const COMMAND = /(?<![\w./-]|npx )polycast (?=[a-z<-])/g;

let commandName: string | undefined;

function findCommandName(): string {
  const executable = realPath(process.argv[1] ?? '');
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  // npm adds these folders for programs that it runs; the shell of the user does not have them.
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
