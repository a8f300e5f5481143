import { readFileSync } from 'node:fs';
import { CliError } from './exit-codes.ts';

/** How a secret may be given without being seen in the list of processes. */
export const SECRET_FORMS_HELP = '@FILE reads it from a file, - from standard input';

/**
 * A secret as it is given on the command line: itself, `@FILE`, or `-` for standard input. Spaces and line breaks around it do not count.
 * @throws CliError `usage` when it cannot be read; the secret is in no message
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
