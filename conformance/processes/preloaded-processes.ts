import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from '../kit/folders.ts';

/**
 * The environment of a hub whose processes run this code before their own start. The code sees the
 * `role` of its process, and `pidsSoFar`: the starts of this role, with this one. `path(name)` is a
 * file that it shares with the test, and `pause()` waits a little.
 *
 * Example: `if (role === 'follower') process.exit(3)` is a hub whose followers never start.
 */
export function preloaded(code: string): Preloaded {
  const folder = temporaryFolder('processes-preload');
  const file = join(folder, 'preload.mjs');
  writeFileSync(
    file,
    PRELUDE.replace('FOLDER', () => JSON.stringify(folder)).replace('CODE', () => code),
  );
  return {
    environment: { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` },
    path: (name) => join(folder, name),
  };
}

export interface Preloaded {
  readonly environment: Readonly<Record<string, string>>;
  readonly path: (name: string) => string;
}

/** Threads load it too, and do nothing. */
const PRELUDE = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
const path = (name) => join(FOLDER, name);
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
const { role } = JSON.parse(process.env.POLYCAST_PROCESS ?? '{}');
if (isMainThread && role !== undefined) {
  appendFileSync(path(role), process.pid + '\\n');
  const pidsSoFar = readFileSync(path(role), 'utf8').split('\\n').length - 1;
  CODE
}
`;
