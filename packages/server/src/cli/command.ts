import { parseArgs } from 'node:util';
import { closestMatch } from '../core/primitives/closest-match.ts';
import { CliError, type ExitName } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/**
 * One command: its name, its arguments and options, and its function. Help, completion and the
 * reference are made from it.
 */
export interface Command {
  /** One word or, for `config check` and the like, two. */
  readonly name: string;
  readonly summary: string;
  /** Its arguments as help shows them: `<channel> [data]`. */
  readonly usage: string;
  /** The command fails without one of these options. Its usage shows them. */
  readonly required?: RequiredOptions;
  /** The least and the most arguments that it takes. */
  readonly argumentsMin: number;
  readonly argumentsMax: number;
  /** Further help, in sentences. */
  readonly details?: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly Example[];
  /**
   * Runs the command. Resolves with the name of the exit code; rejects with CliError, which gives
   * the reason of a failure.
   */
  run(input: Input, terminal: Terminal): Promise<ExitName>;
}

export interface RequiredOptions {
  readonly options: readonly string[];
  /** More than one may be given. */
  readonly several?: boolean;
}

export interface OptionSpec {
  /** The placeholder of its value in help: `URL`; a switch has none. */
  readonly value?: string;
  readonly short?: string;
  readonly multiple?: boolean;
  readonly choices?: readonly string[];
  readonly doc: string;
}

export interface Example {
  readonly command: string;
  readonly description: string;
}

/** A parsed command line. */
export interface Input {
  readonly arguments: readonly string[];
  flag(option: string): boolean;
  text(option: string): string | undefined;
  texts(option: string): readonly string[];
  /** A whole number of at least `min`. */
  number(option: string, min: number): number | undefined;
}

/**
 * Every command has `--json`, in one of two forms. Its documents go to standard output; messages
 * and errors are text on standard error.
 */
export const JSON_DOCUMENT: OptionSpec = { doc: 'Prints the result as one JSON document, on one line.' };
/** Commands that list or follow something: `polycast users --json | jq .user`. */
export const JSON_LINES: OptionSpec = { doc: 'Prints each entry as one line of JSON (NDJSON).' };

export const HELP_OPTION: OptionSpec = { short: 'h', doc: 'Shows this help.' };

/**
 * Parses the arguments after a command's name.
 * @throws CliError `usage` for an unknown option or value, with the closest known one
 */
export function readInput(command: Command, argv: readonly string[]): Input {
  const options = { ...command.options, help: HELP_OPTION };
  const { values, positionals, tokens } = parse(command, options, argv);
  for (const token of tokens) {
    if (token.kind === 'option') checkOption(command, options, token.name, token.rawName, token.value);
  }
  const given = new Map(Object.entries(values));
  const help = given.get('help') === true;
  const { argumentsMin, argumentsMax } = command;
  if (!help && (positionals.length < argumentsMin || positionals.length > argumentsMax)) {
    const problem =
      positionals.length < argumentsMin
        ? 'an argument is missing'
        : `unexpected argument "${positionals[argumentsMax]}"`;
    const [example] = command.examples;
    throw new CliError(
      'usage',
      `${problem}: polycast ${command.name} ${usageOf(command)}`.trimEnd(),
      ...(example === undefined ? [] : [`Example: ${example.command}`]),
      seeHelp(command),
    );
  }
  if (!help) checkRequired(command, given);
  return {
    arguments: positionals,
    flag: (option) => given.get(option) === true,
    text: (option) => [given.get(option)].flat().at(-1) as string | undefined,
    texts: (option) => [given.get(option) ?? []].flat() as string[],
    number(option, min) {
      const text = this.text(option);
      if (text === undefined) return undefined;
      const value = Number(text);
      if (/^\d+$/.test(text) && value >= min) return value;
      throw usageError(command, `--${option} ${text}: must be a whole number of at least ${min}`);
    },
  };
}

/** What follows the name of a command: `<event> (--user USER | --session SESSION)`. */
export function usageOf({ usage, required, options }: Command): string {
  if (required === undefined) return usage;
  return `${usage} (${requiredForms(required, options).join(' | ')})${required.several === true ? '…' : ''}`.trimStart();
}

export function usageError(command: Command, message: string): CliError {
  return new CliError('usage', message, seeHelp(command));
}

function checkRequired(command: Command, given: ReadonlyMap<string, unknown>): void {
  const { required, options } = command;
  if (required === undefined || required.options.some((name) => given.has(name))) return;
  const forms = requiredForms(required, options).join(', ');
  throw usageError(command, `give ${required.several === true ? 'at least one of' : 'one of'} ${forms}`);
}

function requiredForms({ options: names }: RequiredOptions, options: Command['options']): string[] {
  return names.map((name) => `--${name} ${options[name]?.value ?? ''}`.trimEnd());
}

function seeHelp({ name }: Command): string {
  return `See polycast ${name} --help`;
}

function parse(
  command: Command,
  options: Readonly<Record<string, OptionSpec>>,
  argv: readonly string[],
): ReturnType<typeof parseArgs> & { tokens: Token[] } {
  const known = Object.entries(options).map(([name, { value, short, multiple }]) => {
    const type = value === undefined ? ('boolean' as const) : ('string' as const);
    return [name, { type, ...(short && { short }), ...(multiple && { multiple }) }] as const;
  });
  try {
    return parseArgs({
      args: [...argv],
      options: Object.fromEntries(known),
      strict: false,
      allowPositionals: true,
      tokens: true,
    }) as never;
  } catch (error) {
    throw usageError(command, (error as Error).message);
  }
}

interface Token {
  readonly kind: string;
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

/** The equivalent of an option that other programs have. */
function equivalentOption(name: string, options: Readonly<Record<string, OptionSpec>>): string | undefined {
  if (name !== 'port' && name !== 'host') return undefined;
  if ('listen' in options) return 'listen HOST:PORT';
  return 'url' in options ? 'url http://HOST:PORT' : undefined;
}

function checkOption(
  command: Command,
  options: Readonly<Record<string, OptionSpec>>,
  name: string,
  rawName: string,
  value: string | undefined,
): void {
  const spec = Object.hasOwn(options, name) ? options[name] : undefined;
  if (spec === undefined) {
    const suggestion = rawName.startsWith('--')
      ? (equivalentOption(name, options) ?? closestMatch(name, Object.keys(options)))
      : undefined;
    throw usageError(
      command,
      `unknown option ${rawName}${suggestion === undefined ? '' : `; did you mean --${suggestion}?`}`,
    );
  }
  if (spec.value === undefined && value !== undefined) throw usageError(command, `${rawName} takes no value`);
  if (spec.value !== undefined && value === undefined)
    throw usageError(command, `${rawName} needs a value: ${rawName} ${spec.value}`);
  if (spec.choices !== undefined && !spec.choices.includes(value as string)) {
    const suggestion = closestMatch(value as string, spec.choices);
    const words = spec.choices.join(', ');
    throw usageError(
      command,
      `${rawName} ${value}: must be one of ${words}${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`,
    );
  }
}
