import { buffer } from 'node:stream/consumers';
import { CliError } from './exit-codes.ts';

/**
 * All of standard input.
 * @param hint how else it can be given
 * @throws CliError `usage` when that is a terminal: nobody would know that it waits
 */
export async function readStandardInput(hint: string): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new CliError('usage', 'there is no data', hint);
  }
  return buffer(process.stdin);
}
