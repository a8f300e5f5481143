/** The exit codes of the CLI; 69, 70 and 78 are from BSD's sysexits. */
export const EXIT_CODES: Readonly<Record<ExitName, { readonly code: number; readonly meaning: string }>> = {
  done: { code: 0, meaning: 'Done.' },
  failed: { code: 1, meaning: 'The hub refused the request, or it failed; the message says why.' },
  usage: { code: 2, meaning: 'The command line is not valid.' },
  warned: { code: 3, meaning: '`polycast doctor` has found warnings, and no failures.' },
  unreachable: { code: 69, meaning: 'No hub answers at the address.' },
  internal: { code: 70, meaning: 'An error in Polycast itself. Please report it with the message.' },
  configuration: { code: 78, meaning: 'The configuration is not valid. The message lists every problem.' },
  interrupted: { code: 130, meaning: 'Stopped by Ctrl-C before the end.' },
};

export type ExitName =
  | 'done'
  | 'failed'
  | 'usage'
  | 'warned'
  | 'unreachable'
  | 'internal'
  | 'configuration'
  | 'interrupted';

/** The name of an exit code of another process of this program. */
export function exitNameOf(code: number): ExitName {
  const found = Object.entries(EXIT_CODES).find(([, each]) => each.code === code);
  return found === undefined ? 'failed' : (found[0] as ExitName);
}

/** Ends the command with a message for people. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exit: ExitName;
  /** The next steps, one line each. */
  readonly hints: readonly string[];

  constructor(exit: ExitName, message: string, ...hints: readonly (string | undefined)[]) {
    super(message);
    this.exit = exit;
    this.hints = hints.filter((hint) => hint !== undefined);
  }
}
