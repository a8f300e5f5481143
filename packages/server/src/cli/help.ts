import { HELP_OPTION, usageOf, type Command, type Example, type OptionSpec } from './command.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { pasteable } from './pasteable.ts';
import type { Terminal } from './terminal.ts';

/** The text of `polycast --help`. */
export function generalHelp(commands: readonly Command[], { style }: Terminal): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    `${style('bold', 'Polycast')}: publish once, deliver over everything.`,
    '',
    `${style('bold', 'Usage')}  ${pasteable('polycast <command> [options]')}`,
    '',
    style('bold', 'Commands'),
    ...commands.map(({ name, summary }) => `  ${style('cyan', name.padEnd(width))}  ${summary}`),
    '',
    style('bold', 'Begin with'),
    ...exampleLines({ command: 'polycast dev', description: 'a hub on this machine' }, style),
    ...exampleLines({ command: "polycast follow 'orders.>'", description: 'show events, in a second terminal' }, style),
    ...exampleLines(
      {
        command: `polycast publish orders.42 '{"state":"baked"}'`,
        description: 'publish an event, in a third terminal',
      },
      style,
    ),
    '',
    `${style('bold', 'Exit codes')}  ${Object.entries(EXIT_CODES)
      .map(([name, { code }]) => `${code} ${name}`)
      .join(', ')}`,
    '',
    style('dim', pasteable('polycast <command> --help shows more; polycast --version shows the version.')),
  ].join('\n');
}

/**
 * The text of `polycast subscriptions --help`: the commands that begin with one word, each with its
 * summary and an example.
 */
export function groupHelp(commands: readonly Command[], { style }: Terminal): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    style('bold', 'Commands'),
    ...commands.map(({ name, summary }) => `  ${style('cyan', `polycast ${name.padEnd(width)}`)}  ${summary}`),
    '',
    style('bold', 'Examples'),
    ...commands.flatMap(({ examples: [first] }) => (first === undefined ? [] : exampleLines(first, style))),
    '',
    style('dim', 'Each shows more with --help.'),
  ].join('\n');
}

/** The text of `polycast <command> --help`. */
export function commandHelp(command: Command, { style }: Terminal): string {
  const options = Object.entries({ ...command.options, help: HELP_OPTION });
  const forms = options.map(([name, spec]) => optionForm(name, spec));
  const width = Math.max(...forms.map((form) => form.length));
  const examples = command.examples.flatMap((example) => exampleLines(example, style));
  const usage = usageOf(command);
  return [
    `${style('bold', `polycast ${command.name}`)}: ${lowerFirst(command.summary)}`,
    '',
    `${style('bold', 'Usage')}  ${pasteable(`polycast ${command.name}`)}${usage === '' ? '' : ` ${usage}`} [options]`,
    ...(command.details === undefined ? [] : ['', wrap(command.details, 100)]),
    '',
    style('bold', 'Options'),
    ...options.map(([, { doc }], index) => `  ${style('cyan', (forms[index] as string).padEnd(width))}  ${doc}`),
    '',
    style('bold', 'Examples'),
    ...examples,
  ].join('\n');
}

function exampleLines({ command, description }: Example, style: Terminal['style']): string[] {
  return [`  ${style('dim', `# ${description}`)}`, `  ${pasteable(command)}`];
}

/** `-u, --url URL` */
export function optionForm(name: string, { short, value }: OptionSpec): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

function wrap(text: string, columnsMax: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line !== '' && line.length + word.length >= columnsMax) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
