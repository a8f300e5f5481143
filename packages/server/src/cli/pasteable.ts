import { existsSync, realpathSync } from 'node:fs';
import { isSea } from 'node:sea';
import { basename, delimiter, dirname, join, relative, sep } from 'node:path';

/**
 * Makes the commands in a text work when they are pasted into the user's shell. `polycast dev`
 * becomes, depending on how this program was installed and started:
 *
 * - `polycast dev` where the shell finds this program under its name (a global installation)
 * - `npx polycast dev` in a checkout, in a project that depends on it, and after `npx`
 * - `npx --prefix /srv/polycast polycast dev` in a folder outside of these
 * - `./polycast dev` for a single executable that is in no folder of PATH
 */
export function pasteable(text: string): string {
  return text.replaceAll(COMMAND, () => `${(commandName ??= findCommandName())} `);
}

/** The name before a command or an option, but not as a part of a word or a path. */
const COMMAND = /(?<![\w./-]|npx )polycast (?=[a-z<-])/g;

let commandName: string | undefined;

function findCommandName(): string {
  const program = realPath(isSea() ? process.execPath : (process.argv[1] ?? ''));
  if (program === undefined) return 'npx polycast';
  if (isInSearchPath(program)) return 'polycast';
  if (isSea()) return shellPath(program);
  // npx takes the nearest command, which may be of another installation.
  const nearest = ancestors(process.cwd()).find(hasCommand);
  const runsHere = nearest !== undefined && holds(nearest, program);
  if (runsHere || program.includes(`${sep}_npx${sep}`)) return 'npx polycast';
  const installation = ancestors(dirname(program)).find((folder) => hasCommand(folder) && holds(folder, program));
  if (installation !== undefined) return `npx --prefix ${quoted(installation)} polycast`;
  // A program of another name has loaded this one, as a test does.
  return basename(program).startsWith('polycast')
    ? `${quoted(process.execPath)} ${shellPath(program)}`
    : 'npx polycast';
}

function isInSearchPath(program: string): boolean {
  // npm adds these folders for programs that it runs; the shell of the user does not have them.
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.includes(NPM_COMMANDS));
  return folders.some((folder) => realPath(join(folder, 'polycast')) === program);
}

const NPM_COMMANDS = join('node_modules', '.bin');

/** Whether the folder's node_modules holds the program, itself or as a link to a workspace. */
function holds(folder: string, program: string): boolean {
  return program.startsWith(`${realPath(join(folder, 'node_modules', 'polycast'))}${sep}`);
}

function hasCommand(folder: string): boolean {
  return existsSync(join(folder, NPM_COMMANDS, 'polycast'));
}

/** The folder and all folders above it, the nearest first. */
function ancestors(folder: string): readonly string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

/** A path that a shell runs as a program: `./polycast`, `/opt/polycast`. */
function shellPath(program: string): string {
  const near = relative(process.cwd(), program);
  return quoted(near.startsWith('..') ? program : `./${near}`);
}

function quoted(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
