import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import v8 from 'node:v8';
import { recordedCode } from './loader.ts';

/** How often a recording executable looks whether it shall write. */
const LOOK_INTERVAL_MS = 50;

/**
 * Writes the bytecode of this thread's modules once a file `write` is in the folder. The build runs
 * an executable with this recorder first. The one that it delivers does not contain it.
 */
export function record(thread: string): void {
  const folder = process.env['BYTECODE_FOLDER'] ?? '';
  // V8 accepts bytecode only with the flags that it was made with, and a start has no such flag.
  v8.setFlagsFromString = () => undefined;
  const timer = setInterval(() => {
    if (!existsSync(join(folder, 'write'))) return;
    clearInterval(timer);
    const output = join(folder, thread);
    mkdirSync(`${output}.new`);
    for (const [name, code] of recordedCode()) writeFileSync(join(`${output}.new`, name), code);
    renameSync(`${output}.new`, output);
  }, LOOK_INTERVAL_MS);
  timer.unref();
}
