import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

/** The command line: as `npm test` has built it, or its sources. */
export const COMMAND: string =
  process.env['TESTED_POLYCAST'] ?? join(import.meta.dirname, '../../packages/server/src/cli/polycast.ts');

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `polycast` with these arguments, and waits for its end. */
export async function polycast(args: readonly string[]): Promise<CommandResult> {
  const child = startPolycast(args);
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  return { code, out, err };
}

/** Starts `polycast` with these arguments. It ends with this process. */
export function startPolycast(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.on(
    'exit',
    atExit(() => void child.kill('SIGKILL')),
  );
  return child;
}
