import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import webpack from 'webpack';

/** From a page's module to one file, with the bundler's defaults for production. */
type Bundle = (entry: string, output: string) => Promise<void>;

/**
 * The bundlers of pages. They differ in the names that they give to variables: esbuild gives each
 * variable of a nested function a name that no outer function uses. So its output is the largest.
 */
export const BUNDLERS: Readonly<Record<string, Bundle>> = {
  async vite(entry, output) {
    await vite({
      configFile: false,
      logLevel: 'silent',
      root: dirname(entry),
      build: {
        outDir: dirname(output),
        rollupOptions: { input: entry, output: { entryFileNames: basename(output) } },
      },
    });
  },
  async esbuild(entry, output) {
    const options = { bundle: true, minify: true, format: 'esm', logLevel: 'silent' } as const;
    await esbuild({ ...options, entryPoints: [entry], outfile: output });
  },
  async webpack(entry, output) {
    const files = { path: dirname(output), filename: basename(output) };
    const compiler = webpack({ mode: 'production', entry, output: files });
    const stats = await promisify(compiler.run.bind(compiler))();
    if (stats?.hasErrors() === true || stats?.hasWarnings() === true) throw new Error(stats.toString());
    await promisify(compiler.close.bind(compiler))();
  },
};
