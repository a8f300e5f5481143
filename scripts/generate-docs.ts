import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cliPage } from './reference/cli.ts';
import { configurationPage, defaultsPage } from './reference/configuration.ts';
import { errorsPage } from './reference/errors.ts';
import { httpPage } from './reference/http.ts';

const ROOT = join(import.meta.dirname, '..');

/** The pages that are made from code, by their paths. */
const PAGES: Readonly<Record<string, () => string>> = {
  'docs/defaults.md': defaultsPage,
  'docs/reference/cli.md': cliPage,
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/http.md': httpPage,
};

/** The pages whose file is not what the code would make of it now. */
export function stalePages(): string[] {
  return Object.entries(PAGES).flatMap(([path, make]) => (read(path) === make() ? [] : [path]));
}

function read(path: string): string | undefined {
  return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : undefined;
}

function write(path: string): void {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), (PAGES[path] as () => string)());
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const stale = stalePages();
  if (!values.check) for (const path of stale) write(path);
  const verb = values.check ? 'out of step, run node scripts/generate-docs.ts' : 'written';
  for (const path of stale) console.log(`${path}: ${verb}`);
  process.exitCode = values.check && stale.length > 0 ? 1 : 0;
}
