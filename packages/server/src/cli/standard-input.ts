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
