import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const PAGES = ['lab', 'console', 'portal'] as const;

/**
 * Builds each page into `generated/<page>/`, from where the hub serves it. Nothing is fetched from
 * anywhere.
 */
export async function buildConsole(): Promise<void> {
  for (const page of PAGES) await buildPage(page);
}

async function buildPage(page: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'warn',
    root: fileURLToPath(new URL(`pages/${page}/`, import.meta.url)),
    // Relative: a hub may be below a path of another server.
    base: page === 'lab' ? `/${page}/` : './',
    build: {
      outDir: fileURLToPath(new URL(`generated/${page}/`, import.meta.url)),
      emptyOutDir: true,
      target: 'baseline-widely-available',
      // Inlined assets and the polyfill's injected script would need a laxer
      // Content-Security-Policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  });
}

if (import.meta.main) await buildConsole();
