import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const STAMP = join(ROOT, '.cache/build.json');
const SKIPPED = new Set(['node_modules', 'dist', 'generated']);

/** A build product: `module` exports `name`, which builds it. */
interface Target {
  readonly name: string;
  readonly module: string;
  /** Source files and folders. A newer file in them makes the target stale. */
  readonly sources: readonly string[];
  /** The output folder. Without it the target is stale. */
  readonly output: string;
  /** A hub that runs from its sources needs it. */
  readonly isServed: boolean;
}

const TARGETS: readonly Target[] = [
  {
    name: 'buildClient',
    module: 'packages/client/build.ts',
    sources: ['packages/client', 'packages/protocol/src', 'scripts/bundler.ts'],
    output: 'packages/client/generated',
    isServed: true,
  },
  {
    name: 'buildConsole',
    module: 'packages/console/build.ts',
    sources: ['packages/console', 'packages/client/src', 'packages/protocol/src'],
    output: 'packages/console/generated',
    isServed: true,
  },
  {
    name: 'buildDocs',
    module: 'packages/docs/build.ts',
    sources: [
      'packages/docs',
      'docs',
      ...exampleReadmes(),
      'PROTOCOL.md',
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
    ],
    output: 'packages/docs/generated',
    isServed: false,
  },
  {
    name: 'buildPackages',
    module: 'scripts/packages.ts',
    sources: [
      'packages',
      'operate',
      'scripts/bundler.ts',
      'scripts/packages.ts',
      'scripts/declarations.ts',
      'scripts/third-party-licenses.ts',
      'package-lock.json',
    ],
    output: 'packages/server/dist',
    isServed: false,
  },
];

export interface BuildOptions {
  /** Builds only the targets whose sources are newer than their last build. */
  readonly ifStale?: boolean;
  /** Builds only what a hub that runs from its sources serves to browsers, not the packages. */
  readonly served?: boolean;
}

/** Builds what the hub serves to browsers, then the packages for npm. */
export async function build({ ifStale = false, served = false }: BuildOptions): Promise<void> {
  const builtMs = readStamp();
  for (const target of TARGETS.filter(({ isServed }) => isServed || !served)) {
    const sourcesMs = Math.max(...target.sources.map((path) => newestMs(join(ROOT, path))));
    if (ifStale && builtMs[target.name] === sourcesMs && existsSync(join(ROOT, target.output))) continue;
    const startedMs = performance.now();
    const builder = (await import(pathToFileURL(join(ROOT, target.module)).href)) as Record<
      string,
      () => Promise<unknown>
    >;
    await builder[target.name]?.();
    builtMs[target.name] = sourcesMs;
    writeStamp(builtMs);
    console.log(`${target.name}: ${Math.round(performance.now() - startedMs)} ms`);
  }
}

function exampleReadmes(): string[] {
  return globSync(['examples/README.md', 'examples/*/README.md'], { cwd: ROOT });
}

/** The time of the newest change below a path; 0 if it does not exist. */
function newestMs(path: string): number {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const names = readdirSync(path).filter((name) => !SKIPPED.has(name));
  return Math.max(0, ...names.map((name) => newestMs(join(path, name))));
}

function readStamp(): Record<string, number> {
  return existsSync(STAMP) ? (JSON.parse(readFileSync(STAMP, 'utf8')) as Record<string, number>) : {};
}

function writeStamp(builtMs: Readonly<Record<string, number>>): void {
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, JSON.stringify(builtMs));
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { 'if-stale': { type: 'boolean' }, served: { type: 'boolean' } } });
  await build({ ifStale: values['if-stale'] === true, served: values.served === true });
}
