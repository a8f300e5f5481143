import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

/** A temporary folder that is removed at the end of this process. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `polycast-${name}-`));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
