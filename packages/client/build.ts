import { join } from 'node:path';
import { openBundle, type OutputOptions, type Plugin } from '../../scripts/bundler.ts';
import { SHORT_MEMBERS, SHORT_TEXTS } from './short-names.ts';

const SOURCE = join(import.meta.dirname, 'src');

/** The files that the hub serves: `client.js`, and its companions in `client/`. */
export const CLIENT_BUILT: string = join(import.meta.dirname, 'generated');

/**
 * Optional modules beside `client.js`. Each works with any connection, and shares no code with it.
 */
export const COMPANIONS: readonly string[] = ['tabs', 'presence', 'outbox'];

/**
 * Bundles the client, and each companion, with the used parts of `@polycast/protocol`, into a
 * minified module without imports.
 */
export async function buildClient(folder: string = CLIENT_BUILT, options: OutputOptions = {}): Promise<void> {
  const output: OutputOptions = { ...options, comments: false };
  await bundle('index', { ...output, file: join(folder, 'client.js'), minify: { mangleProps } });
  for (const name of COMPANIONS)
    await bundle(name, { ...output, file: join(folder, 'client', `${name}.js`), minify: true });
}

/**
 * Creates the modules of the published package: one for each entry point, without imports. They are
 * readable. Only the client's own members have short names, because a bundler of a page cannot
 * shorten them.
 */
export async function buildClientModules(names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    const output: OutputOptions = { file: join(folder, `${name}.js`), sourcemap: true };
    const isClient = name === 'index';
    await bundle(name, isClient ? { ...output, minify: READABLE } : output);
  }
  await buildClient(join(folder, 'browser'), { sourcemap: true });
}

async function bundle(name: string, output: OutputOptions): Promise<void> {
  const input = join(SOURCE, `${name}.ts`);
  // No module of the client or the protocol has an effect when it is imported.
  const build = await openBundle({
    input,
    platform: 'browser',
    external: /^node:/,
    treeshake: { moduleSideEffects: false, propertyReadSideEffects: false },
    plugins: name === 'index' ? [shortTexts()] : [],
  });
  await build.write({ format: 'esm', ...output });
  await build.close();
}

/**
 * Gives the texts of kinds and modes their short forms. Spaces keep the columns of the code after
 * them, so source maps stay correct.
 */
function shortTexts(): Plugin {
  const pattern = new RegExp(`'(${Object.keys(SHORT_TEXTS).join('|')})'`, 'g');
  const short = (all: string, text: string): string => `'${SHORT_TEXTS[text]}'`.padEnd(all.length);
  return {
    name: 'short-texts',
    transform: (code, id) => (id.startsWith(SOURCE) ? { code: code.replaceAll(pattern, short), map: null } : undefined),
  };
}

const mangleProps = {
  include: new RegExp(`^(?:${Object.keys(SHORT_MEMBERS).join('|')})$`),
  cache: SHORT_MEMBERS,
};

const READABLE = {
  mangleProps,
  mangle: false,
  compress: true,
  codegen: { removeWhitespace: false },
} satisfies OutputOptions['minify'];

if (import.meta.main) await buildClient();
