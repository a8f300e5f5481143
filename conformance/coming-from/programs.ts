import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { atExit } from '../kit/at-exit.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { install, type Installed } from '../kit/registries.ts';

const ROOT = join(import.meta.dirname, '../..');
const EXAMPLES = join(ROOT, 'examples/coming-from');

/** What each program prints for the three changes of an order. */
export const CHANGES: readonly string[] = [
  'order.placed { order: 42 }',
  'order.baked { order: 42 }',
  'order.sent { order: 42 }',
];

/** A program of `examples/coming-from` in a process of its own. */
export interface Program {
  readonly child: ChildProcess;
  /** The lines that it has printed. */
  readonly lines: () => readonly string[];
  /** Resolves with its exit code, or null if it was killed. */
  readonly ended: Promise<number | null>;
  readonly errorOutput: () => string;
}

/** Installs the clients of other products, together with the programs. */
export function installExamples(): Promise<Installed> {
  return install({
    folder: EXAMPLES,
    toolchain: [['npm', '--version']],
    steps: [['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer', '--loglevel=error']],
  });
}

/**
 * Starts a program where it finds the packages of the repository, or those of `installed`.
 * @param name such as `polling/before.mjs`
 */
export function startProgram(
  name: string,
  environment: Readonly<Record<string, string>>,
  installed: string = repositoryCopy(),
): Program {
  const child = spawn(process.execPath, ['--experimental-eventsource', '--no-warnings', name], {
    cwd: installed,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  atExit(() => void child.kill('SIGKILL'));
  const output = textOf(child.stdout);
  return {
    child,
    lines: () => output().split('\n').filter(Boolean),
    errorOutput: textOf(child.stderr),
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}

/** The programs as a user has them, in a folder whose packages are those of the repository. */
function repositoryCopy(): string {
  const folder = temporaryFolder('coming-from');
  cpSync(EXAMPLES, folder, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

function textOf(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return () => text;
}
