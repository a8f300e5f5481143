import { buffer } from 'node:stream/consumers';
import { CliError } from './exit-codes.ts';

/**
 * All of standard input.
 * @throws CliError `usage` when that is a terminal: nobody would know that it waits
 */
export async function readStandardInput(): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new CliError(
      'usage',
      'there is no data',
      'Give it as an argument, or pipe it in: date | polycast publish clock',
    );
  }
  return buffer(process.stdin);
}
