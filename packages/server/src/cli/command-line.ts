import { PolycastError } from '@polycast/protocol';
import { ConfigError } from '../config/config-error.ts';
import { DataFolderError } from '../core/data-folder-error.ts';
import { packageVersion } from '../platform/package-files.ts';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { readInput } from './command.ts';
import { commandNames, loadCommand, loadCommands } from './commands.ts';
import { CliError, EXIT_CODES, type ExitName } from './exit-codes.ts';
import { commandHelp, generalHelp, groupHelp } from './help.ts';
import { pasteable } from './pasteable.ts';
import { exitOnBrokenPipe, exitSoon } from './process-exit.ts';
import { createTerminal, type Terminal } from './terminal.ts';

/** Runs the command line of this process. */
export async function runProcess(): Promise<void> {
  process.stdout.on('error', exitOnBrokenPipe);
  const terminal = createTerminal(process.stdout, process.stderr);
  process.exitCode = await runCommandLine(process.argv.slice(2), terminal);
  exitSoon(terminal.notice);
}

/**
 * Runs one command line, without the program's own name.
 * @returns the exit code, after it has printed an error, if there is one
 */
export async function runCommandLine(argv: readonly string[], terminal: Terminal): Promise<number> {
  const exit = await run(argv, terminal).catch((error: unknown) => report(error, terminal));
  return EXIT_CODES[exit].code;
}

async function run(argv: readonly string[], terminal: Terminal): Promise<ExitName> {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && argv.length === 1)) {
    return print(terminal, generalHelp(await loadCommands(), terminal));
  }
  if (first === '--version' || first === '-v') return print(terminal, packageVersion());
  if (first === 'help') return run([...argv.slice(1), '--help'], terminal);
  const group = namesWithin(first);
  if (group.length > 0 && (argv[1] === '--help' || argv[1] === '-h'))
    return print(terminal, groupHelp(await loadCommands(group), terminal));
  const command = await loadCommand(findCommand(argv));
  const input = readInput(command, argv.slice(command.name.split(' ').length));
  if (input.flag('help')) return print(terminal, commandHelp(command, terminal));
  return command.run(input, terminal);
}

function findCommand(argv: readonly string[]): string {
  const [first = '', second = ''] = argv;
  const found = commandNames.find((name) => name === first || name === `${first} ${second}`);
  if (found !== undefined) return found;
  const words = namesWithin(first).map((name) => name.slice(first.length + 1));
  if (words.length > 0) throw incomplete(first, second, words);
  const suggestion = closestMatch(`${first} ${second}`.trim(), commandNames) ?? closestMatch(first, commandNames);
  const suggestionText = suggestion === undefined ? '' : `; did you mean polycast ${suggestion}?`;
  throw new CliError('usage', `"${first}" is not a command${suggestionText}`, 'See polycast --help');
}

/** @param words the possible values of `second` */
function incomplete(first: string, second: string, words: readonly string[]): CliError {
  const hint = `See polycast ${first} --help`;
  const all = words.join(', ');
  if (second === '' || second.startsWith('-'))
    return new CliError('usage', `polycast ${first} needs one more word: ${all}`, hint);
  const suggestion = closestMatch(second, words);
  const suggestionText =
    suggestion === undefined ? `: polycast ${first} takes ${all}` : `; did you mean polycast ${first} ${suggestion}?`;
  return new CliError('usage', `"${first} ${second}" is not a command${suggestionText}`, hint);
}

/** The names of two words that begin with this one. */
function namesWithin(first: string): readonly string[] {
  return commandNames.filter((name) => name.startsWith(`${first} `));
}

function print(terminal: Terminal, text: string): ExitName {
  terminal.out(text);
  return 'done';
}

/** Prints an error for people, and returns its exit code. */
function report(error: unknown, { notice, noticeStyle }: Terminal): ExitName {
  const label = noticeStyle('red', 'polycast:');
  if (error instanceof CliError) {
    notice(`${label} ${error.message}`);
    for (const hint of error.hints) notice(noticeStyle('dim', pasteable(hint)));
    return error.exit;
  }
  if (error instanceof ConfigError) {
    notice(`${label} the configuration is not valid`);
    for (const line of error.message.split('\n')) notice(`  ${line}`);
    if (error.isPartial) notice(noticeStyle('dim', 'Mend these and check again: more checks follow.'));
    return 'configuration';
  }
  if (error instanceof PolycastError) {
    notice(`${label} ${error.message} (${error.code})`);
    return 'failed';
  }
  if (error instanceof DataFolderError) {
    notice(`${label} ${error.message}`);
    if (error.reason === 'in_use')
      notice(noticeStyle('dim', 'Another hub beside it needs a folder of its own: --data FOLDER, or --data :memory:'));
    return 'failed';
  }
  notice(`${label} internal error: ${error instanceof Error ? error.stack : String(error)}`);
  return 'internal';
}
