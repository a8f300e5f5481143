import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, extname, join } from 'node:path';
import { openBundle } from '../../../scripts/bundler.ts';

const STYLES = join(import.meta.dirname, '../example.css');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/**
 * The files of `page/`, as a static host has them. `page/board.tsx` is the script `/board.js`: it
 * is bundled with the packages that it imports, again when a source has changed.
 */
export class PageFiles {
  readonly #folder: string;
  #scripts: ReadonlyMap<string, string> = new Map();
  #builtFromMs = -1;

  constructor(folder: string) {
    this.#folder = join(folder, 'page');
  }

  async answer({ url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { pathname } = new URL(`http://page${url}`);
      const [type, body] = await this.#read(pathname === '/' ? 'index.html' : pathname.slice(1));
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }).end(body);
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing) console.error(error);
      response.writeHead(isMissing ? 404 : 500).end(isMissing ? 'There is no such page.' : String(error));
    }
  }

  /** @throws Error with the code `ENOENT` */
  async #read(path: string): Promise<readonly [type: string, body: string | Buffer]> {
    if (path === 'example.css') return [TYPES['.css'] as string, readFileSync(STYLES)];
    const name = extname(path) === '' ? `${path}.html` : path;
    const script = extname(name) === '.js' ? (await this.#built()).get(basename(name)) : undefined;
    if (script !== undefined) return [TYPES['.js'] as string, script];
    // `..` of a path is resolved before, by URL.
    return [TYPES[extname(name)] ?? 'application/octet-stream', readFileSync(join(this.#folder, name))];
  }

  async #built(): Promise<ReadonlyMap<string, string>> {
    const sources = globSync('**/*.{ts,tsx}', { cwd: this.#folder }).map((name) => join(this.#folder, name));
    const newestMs = Math.max(0, ...sources.map((path) => statSync(path).mtimeMs));
    if (newestMs === this.#builtFromMs) return this.#scripts;
    const scripts = globSync('*.html', { cwd: this.#folder }).flatMap((name) => this.#scriptsOf(name));
    const build = await openBundle({
      input: scripts,
      platform: 'browser',
      // The build of Vue that takes templates from the page.
      resolve: { alias: { vue: 'vue/dist/vue.esm-bundler.js' } },
      // `'use client'` of React's packages means nothing here.
      onLog: (level, log, print) => log.code === 'MODULE_LEVEL_DIRECTIVE' || print(level, log),
      transform: { define: { 'process.env.NODE_ENV': '"production"' } },
    });
    const { output } = await build.generate({ format: 'esm', minify: true });
    await build.close();
    this.#scripts = new Map(output.flatMap((chunk) => (chunk.type === 'chunk' ? [[chunk.fileName, chunk.code]] : [])));
    this.#builtFromMs = newestMs;
    return this.#scripts;
  }

  /** The sources of the scripts that a page names: `board.tsx` of `<script src="board.js">`. */
  #scriptsOf(page: string): string[] {
    const html = readFileSync(join(this.#folder, page), 'utf8');
    return [...html.matchAll(/<script[^>]*\ssrc="\/?([\w-]+)\.js"/g)].flatMap(([, name]) =>
      [`${name}.ts`, `${name}.tsx`].map((source) => join(this.#folder, source)).filter((source) => existsSync(source)),
    );
  }
}
