import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finishPackage } from '../packages/client/build.ts';
import { build } from './build.ts';

const ROOT = join(import.meta.dirname, '..');
const STAGE = join(ROOT, '.cache/packages');

/** The versions of Node with the required `node:sqlite`. */
const NODE_WANTED = '>=24';

/**
 * A package as it is published: JavaScript instead of TypeScript, with the files that the hub
 * serves.
 */
interface Published {
  readonly folder: string;
  /** Built files by their paths in the package. */
  readonly assets?: Readonly<Record<string, string>>;
  /** The steps after the compilation. */
  readonly finish?: (dist: string) => Promise<void>;
}

/** In the order of their dependencies. */
const PACKAGES: readonly Published[] = [
  { folder: 'packages/protocol' },
  { folder: 'packages/client', finish: (dist) => finishPackage(dist, join(STAGE, 'packages/protocol/dist')) },
  {
    folder: 'packages/server',
    assets: {
      'assets/client.js': 'packages/client/generated/client.js',
      'assets/client': 'packages/client/generated/client',
      'assets/console': 'packages/console/generated',
    },
  },
];

/** Creates the tarballs in `folder`; returns their paths. */
export async function pack(folder: string): Promise<string[]> {
  await build(true);
  rmSync(STAGE, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tarballs: string[] = [];
  for (const published of PACKAGES) tarballs.push(await packOne(published, folder));
  return tarballs;
}

async function packOne({ folder, assets = {}, finish }: Published, destination: string): Promise<string> {
  const source = join(ROOT, folder);
  const stage = join(STAGE, folder);
  mkdirSync(stage, { recursive: true });
  emit(source, join(stage, 'dist'));
  await finish?.(join(stage, 'dist'));
  for (const [to, from] of Object.entries(assets)) cpSync(join(ROOT, from), join(stage, to), { recursive: true });
  cpSync(join(ROOT, 'LICENSE'), join(stage, 'LICENSE'));
  cpSync(join(source, 'README.md'), join(stage, 'README.md'));
  writeFileSync(join(stage, 'package.json'), JSON.stringify(manifest(source), undefined, 2) + '\n');
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', destination], stage)) as [
    { filename: string },
  ];
  return join(destination, filename);
}

/**
 * The output of each of a package's projects: a browser, Node and the core have different types.
 */
function emit(source: string, outDir: string): void {
  const projects = globSync('tsconfig*.json', { cwd: source }).filter((name) => name !== 'tsconfig.test.json');
  for (const project of projects.toSorted()) {
    run(
      join(ROOT, 'node_modules/.bin/tsc'),
      [
        '-p',
        join(source, project),
        '--noEmit',
        'false',
        '--declaration',
        '--rootDir',
        join(source, 'src'),
        '--outDir',
        outDir,
      ],
      ROOT,
    );
  }
}

/** The manifest with paths of built files in the place of sources. */
function manifest(source: string): object {
  const {
    devDependencies: _,
    publishConfig: __,
    exports,
    bin,
    ...rest
  } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
    bin?: Record<string, string>;
    devDependencies?: object;
    publishConfig?: object;
  };
  return {
    ...rest,
    // Set only in the published package. In a checkout npm would print a warning for the Node that
    // npm itself uses, which is not the one of the hub.
    engines: { node: NODE_WANTED },
    files: ['dist', 'assets'],
    exports: Object.fromEntries(
      Object.entries(exports).map(([name, path]) => [
        name,
        { types: emitted(path, '.d.ts'), default: emitted(path, '.js') },
      ]),
    ),
    ...(bin === undefined
      ? {}
      : { bin: Object.fromEntries(Object.entries(bin).map(([name, path]) => [name, emitted(path, '.js')])) }),
    publishConfig: { access: 'public' },
  };
}

function emitted(path: string, extension: string): string {
  return path.replace('./src/', './dist/').replace(/\.ts$/, extension);
}

function run(command: string, parameters: readonly string[], cwd: string): string {
  return execFileSync(command, parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

if (import.meta.main) for (const tarball of await pack(join(ROOT, '.cache/tarballs'))) console.log(tarball);
