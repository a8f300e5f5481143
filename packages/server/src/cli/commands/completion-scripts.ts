import type { OptionSpec } from '../command.ts';

/** The parts of a command that the scripts use. */
export interface CompletableCommand {
  readonly words: readonly string[];
  readonly summary: string;
  readonly options: readonly (OptionSpec & { readonly name: string })[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, commands: readonly CompletableCommand[]): string {
  if (shell === 'bash') return bash(commands);
  return shell === 'zsh' ? zsh(commands) : fish(commands);
}

/** The first words of all commands, each with its possible second words. */
function firstWords(commands: readonly CompletableCommand[]): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const {
    words: [first = '', second],
  } of commands) {
    words.set(first, [...(words.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  return words;
}

function bash(commands: readonly CompletableCommand[]): string {
  const groups = [...firstWords(commands)].filter(([, seconds]) => seconds.length > 0);
  const valued = commands.flatMap(({ options }) => options.filter(({ value }) => value !== undefined));
  const choices = valued.filter((option) => option.choices !== undefined);
  const cases = [
    ...new Set(choices.map(({ name, choices: words }) => `    --${name}) words="${words?.join(' ')}" ;;`)),
    `    ${[...new Set(valued.filter(({ choices: words }) => words === undefined).map(({ name }) => `--${name}`))].join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
  ];
  return `# bash completion for polycast
_polycast() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  case "$before" in
${cases.join('\n')}
  esac
  if [ -z "$words" ]; then
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${commands.map(({ words, options }) => `      "${words.join(' ')}${words.length > 1 ? '' : ' '}"*) words="${options.map(({ name }) => `--${name}`).join(' ')}" ;;`).join('\n')}
    esac
    case "$COMP_CWORD $before" in
${groups.map(([first, seconds]) => `      "2 ${first}") words="${seconds.join(' ')}" ;;`).join('\n')}
      "2 completion") words="${SHELLS.join(' ')}" ;;
      "1 "*) words="${[...firstWords(commands).keys()].join(' ')} --help --version" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _polycast polycast`;
}

function zsh(commands: readonly CompletableCommand[]): string {
  const firsts = [...firstWords(commands)];
  const branches = commands.map(({ words, options }) => {
    const specs = options.map(zshOption).join(' \\\n        ');
    return `    "${words.join(' ')}")\n      _arguments -s \\\n        ${specs} \\\n        '*:argument:_files' ;;`;
  });
  return `#compdef polycast
_polycast() {
  local -a commands=(
${firsts.map(([first]) => `    '${first}:${zshText(summaryOf(commands, first))}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="\${words[2]}" seconds=""
  case "$command" in
${firsts
  .filter(([, seconds]) => seconds.length > 0)
  .map(([first, seconds]) => `    ${first}) seconds="${seconds.join(' ')}" ;;`)
  .join('\n')}
    completion) compadd ${SHELLS.join(' ')}; return ;;
  esac
  if [[ -n "$seconds" ]]; then
    if (( CURRENT == 3 )); then compadd \${=seconds}; return; fi
    command="$command \${words[3]}"
    words=("\${words[@]:1}"); (( CURRENT-- ))
  fi
  words=("\${words[@]:1}"); (( CURRENT-- ))
  case "$command" in
${branches.join('\n')}
  esac
}
compdef _polycast polycast`;
}

function zshOption({ name, short, value, multiple, choices, doc }: CompletableCommand['options'][number]): string {
  const names = short === undefined ? `--${name}` : `{-${short},--${name}}`;
  const values = choices === undefined ? '_files' : `(${choices.join(' ')})`;
  const text = `[${zshText(doc)}]${value === undefined ? '' : `:${value.toLowerCase()}:${values}`}`;
  return `${multiple === true ? "'*'" : ''}${names}'${text}'`;
}

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, String.raw`\$&`);
}

function fish(commands: readonly CompletableCommand[]): string {
  const lines = ['# fish completion for polycast', 'complete -c polycast -f'];
  for (const [first, seconds] of firstWords(commands)) {
    lines.push(`complete -c polycast -n __fish_use_subcommand -a ${first} -d ${fishText(summaryOf(commands, first))}`);
    const missing = `'__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${seconds.join(' ')}'`;
    if (seconds.length > 0) lines.push(`complete -c polycast -n ${missing} -a '${seconds.join(' ')}'`);
  }
  lines.push(`complete -c polycast -n '__fish_seen_subcommand_from completion' -a '${SHELLS.join(' ')}'`);
  for (const { words, options } of commands) {
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    for (const option of options) lines.push(`complete -c polycast -n '${seen}' ${fishOption(option)}`);
  }
  return lines.join('\n');
}

function fishOption({ name, short, value, choices, doc }: CompletableCommand['options'][number]): string {
  const names = `-l ${name}${short === undefined ? '' : ` -s ${short}`}`;
  const takes = choices === undefined ? ' -r -F' : ` -x -a '${choices.join(' ')}'`;
  return `${names}${value === undefined ? '' : takes} -d ${fishText(doc)}`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function summaryOf(commands: readonly CompletableCommand[], first: string): string {
  const own = commands.filter(({ words }) => words[0] === first);
  return own.length === 1 ? (own[0] as CompletableCommand).summary : own.map(({ words }) => words[1]).join(', ');
}
