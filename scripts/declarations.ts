import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/**
 * Declarations of a package: what its users' compilers read, as `lib/index.d.ts`. They import each
 * other by relative paths, so they need no other package. Those of `@polycast/protocol` are in
 * `lib/protocol/`.
 */
const PACKAGES = join(import.meta.dirname, '../packages');

/** The packages that users of the hooks have installed beside them. */
const PEERS = /^(?:react|@polycast\/client(?:\/.+)?)$/;

/** `import … from './x.ts'`, `export … from '@polycast/protocol'` and `import('./x.ts')`. */
const SPECIFIER = /((?:from |import\()')([^']+)(')/g;

/**
 * Writes the declarations that the entry points of the client need into `folder`.
 * @param entries the entry points by their paths in `src/`, as `index`
 */
export function writeClientDeclarations(entries: readonly string[], folder: string): void {
  const emitted = mkdtempSync(join(tmpdir(), 'polycast-declarations-'));
  try {
    emit('client', ['tsconfig.json', 'tsconfig.server.json'], emitted);
    emit('protocol', ['tsconfig.json'], join(emitted, 'protocol'));
    copyReachable(entries, emitted, folder);
  } finally {
    rmSync(emitted, { recursive: true });
  }
}

/**
 * Writes the declarations of the hooks. They import React and the client, which their users have.
 */
export function writeReactDeclarations(folder: string): void {
  const emitted = mkdtempSync(join(tmpdir(), 'polycast-declarations-'));
  try {
    emit('react', ['tsconfig.json'], emitted);
    copyReachable(['index'], emitted, folder);
  } finally {
    rmSync(emitted, { recursive: true });
  }
}

/** A browser and Node have different types, and so a project each. */
function emit(name: string, projects: readonly string[], outDir: string): void {
  const source = join(PACKAGES, name);
  const command = join(PACKAGES, '../node_modules/.bin/tsc');
  if (!existsSync(command)) throw new Error('The packages need the compiler: run `npm ci` without `--omit=dev`.');
  const options = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', join(source, 'src')];
  for (const project of projects)
    execFileSync(command, ['-p', join(source, project), ...options, '--outDir', outDir], { stdio: 'inherit' });
}

function copyReachable(entries: readonly string[], emitted: string, folder: string): void {
  const pending = [...entries];
  const copied = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (copied.has(name)) continue;
    copied.add(name);
    const here = dirname(name);
    const text = readFileSync(join(emitted, `${name}.d.ts`), 'utf8').replaceAll(
      SPECIFIER,
      (all, before: string, specifier: string, after: string) => {
        if (specifier.startsWith('node:') || PEERS.test(specifier)) return all;
        const target = specifier === '@polycast/protocol' ? 'protocol/index' : neighbour(here, specifier);
        pending.push(target);
        const path = relative(here, target);
        return `${before}${path.startsWith('.') ? path : `./${path}`}.js${after}`;
      },
    );
    mkdirSync(join(folder, here), { recursive: true });
    writeFileSync(join(folder, `${name}.d.ts`), text);
  }
}

function neighbour(folder: string, specifier: string): string {
  if (!/^\..*\.ts$/.test(specifier))
    throw new Error(`A declaration must not import ${specifier}: users may not have it.`);
  return join(folder, specifier.replace(/\.ts$/, ''));
}
