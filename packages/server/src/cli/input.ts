import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { CliError } from './exit-codes.ts';

/**
 * Reads all of standard input.
 * @param hint the other way to give the data
 * @throws CliError `usage` for a terminal: its user would not know that the command waits
 */
export async function readStandardInput(hint: string): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new CliError('usage', 'there is no data', hint);
  }
  return buffer(process.stdin);
}

/** The forms of a secret that do not show it in the list of processes. */
export const SECRET_FORMS_HELP = '@FILE reads it from a file, - from standard input';

/**
 * Resolves a secret from the command line: the secret itself, `@FILE`, or `-` for standard input.
 * White space around the contents of a file or of standard input is removed.
 * @throws CliError `usage` when it cannot be read; no message contains the secret
 */
export function resolveSecret(given: string): string {
  if (given === '-') {
    if (process.stdin.isTTY) throw new CliError('usage', 'there is no secret on standard input', 'Pipe it in');
    return readFileSync(0, 'utf8').trim();
  }
  if (!given.startsWith('@')) return given;
  const path = given.slice(1);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CliError(
      'usage',
      `the secret in ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`,
    );
  }
}
