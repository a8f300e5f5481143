import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBundle, type Plugin } from '../../scripts/bundler.ts';
import { THREAD_MODULES } from './src/platform/package-files.ts';

const SOURCE = join(import.meta.dirname, 'src');

/** Where the published package has its code: all modules in one folder. */
const SERVER_BUILT = join(import.meta.dirname, 'dist/lib');

/** Dependencies that are not in the bundle: the published package declares them. */
export const EXTERNAL: readonly string[] = ['ajv', 'ajv-formats', 'safe-regex2'];

/**
 * Bundles the server, the command line and each thread, with their dependencies, so that a start
 * reads a few files. What a hub needs only sometimes is a module of its own.
 */
export async function buildServer(folder: string = SERVER_BUILT): Promise<void> {
  await bundle({ folder, format: 'esm', sourcemap: true, external: [...EXTERNAL, /^ajv\//] });
}

/**
 * The same modules for a single executable, with all dependencies.
 * A loader of its own requires them.
 */
export async function buildForBinary(folder: string): Promise<void> {
  await bundle({ folder, format: 'cjs', sourcemap: false, libraries: LIBRARIES });
}

/** The modules of `EXTERNAL` that are required by name, and the names of their files. */
const LIBRARIES: Readonly<Record<string, string>> = {
  ajv: 'ajv',
  'ajv-2020': 'ajv/dist/2020.js',
  'ajv-formats': 'ajv-formats',
  'safe-regex2': 'safe-regex2',
};

interface Bundle {
  readonly folder: string;
  readonly format: 'esm' | 'cjs';
  readonly sourcemap: boolean;
  readonly external?: (string | RegExp)[];
  /** Further entries. */
  readonly libraries?: Readonly<Record<string, string>>;
}

async function bundle({ folder, format, sourcemap, external = [], libraries = {} }: Bundle): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const threads = Object.entries(THREAD_MODULES).map(([name, file]) => [name, join(SOURCE, file)] as const);
  const build = await openBundle({
    plugins: [parserOfWs(), builtinsByCall(), ascii()],
    cwd: import.meta.dirname,
    input: { polycast: join(SOURCE, 'cli/polycast.ts'), ...Object.fromEntries(threads), ...libraries },
    platform: 'node',
    external,
  });
  await build.write({ dir: folder, format, sourcemap, comments: false, codeSplitting: { groups: SHARED } });
  await build.close();
}

/**
 * The modules that several entries share, in a few files: each further file takes half a
 * millisecond at the start. Threads share only the first two. What a group takes, each start loads:
 * the modules of a cluster stay outside, with the client of the brokers. The compile cache stays
 * outside too, since it is for all that is loaded after it.
 */
const SHARED = [
  {
    name: 'base',
    test: /\/(?:protocol\/src|server\/src\/(?:platform(?!\/compile-cache)|core)|config\/(?:listen|config-error)|state\/definition)\b/,
    minShareCount: 2,
    priority: 1,
  },
  { name: 'storage', test: /\/server\/src\/storage\/(?!cluster\/)/, minShareCount: 2 },
  { name: 'config', test: /\/zod\/|\/server\/src\/config\//, minShareCount: 2 },
  { name: 'webhooks', test: /\/subscriptions\/(?:dialects|webhook)\/|\/server\/src\/ingest\//, minShareCount: 2 },
  { name: 'cli', test: /\/server\/src\/cli\/[a-z-]+\.ts$/, minShareCount: 2 },
];

/**
 * `import` of a module of Node.js (`node:fs`) reads each of its members. Some load more when they
 * are read: `http.WebSocket` is an HTTP client of 10 MB, and `fs.ReadStream` takes 4 ms. So the
 * bundle gets such modules by a call, and reads only the members that the code uses.
 */
function builtinsByCall(): Plugin {
  return {
    name: 'builtins-by-call',
    generateBundle({ format }, bundle) {
      if (format !== 'es') return;
      for (const file of Object.values(bundle))
        if (file.type === 'chunk') file.code = file.code.replaceAll(BUILTIN_IMPORT, builtinCall);
    },
  };
}

/** `import fs, { existsSync as exists } from "node:fs";` on a line of its own, and other forms. */
const BUILTIN_IMPORT = /^(?:import|export) (?:(.+) from )?("node:.+");$/gm;

function builtinCall(line: string, imported: string | undefined, name: string): string {
  const [, whole, members] = /^([\w$]+)?(?:, )?(\{(?! default as ).+\})?$/.exec(imported ?? '') ?? [];
  const targets = [whole, members?.replaceAll(' as ', ': ')].filter((target) => target !== undefined);
  if (targets.length === 0 || line.startsWith('export')) throw new Error(`this import has an unknown form: ${line}`);
  // A module may have a `process` of its own.
  return `const ${targets.map((target) => `${target} = globalThis.process.getBuiltinModule(${name})`).join(', ')};`;
}

/**
 * A hub uses the parser of `ws` alone. The index of the package also has the client, which loads
 * TLS: 9 ms of a start.
 */
function parserOfWs(): Plugin {
  const parser = join(dirname(fileURLToPath(import.meta.resolve('ws'))), 'lib/receiver.js');
  return {
    name: 'parser-of-ws',
    resolveId: (id, importer) =>
      id === 'ws' && importer?.endsWith('/websocket-receiver.ts') === true ? WS_PARSER : undefined,
    load: (id) => (id === WS_PARSER ? `export { default as Receiver } from ${JSON.stringify(parser)};` : undefined),
  };
}

const WS_PARSER = '\0ws-parser';

/**
 * Code in ASCII alone: the engine holds it with one byte for each character, otherwise with two.
 * Without comments, other characters are within literals, where an escape means the same.
 */
function ascii(): Plugin {
  return {
    name: 'ascii',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) if (file.type === 'chunk') file.code = asciiText(file.code);
    },
  };
}

function asciiText(code: string): string {
  return code.replaceAll(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

if (import.meta.main) await buildServer();
