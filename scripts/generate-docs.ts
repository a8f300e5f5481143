import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { dashboardPage } from './dashboard/dashboard.ts';
import { cliPage } from './reference/cli.ts';
import { configurationPage, defaultsPage } from './reference/configuration.ts';
import { errorsPage } from './reference/errors.ts';
import { httpPage } from './reference/http.ts';
import { metricsPage } from './reference/metrics.ts';
import { withProtocolLinks } from './reference/protocol-links.ts';
import { streamsPage } from './reference/streams.ts';

const ROOT = join(import.meta.dirname, '..');

/** The generated pages, by their paths. */
const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/defaults.md': defaultsPage,
  'docs/reference/cli.md': cliPage,
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/http.md': async () => withProtocolLinks(await httpPage()),
  'docs/reference/metrics.md': metricsPage,
  'docs/reference/streams.md': () => withProtocolLinks(streamsPage()),
  'operate/grafana/polycast.json': dashboardPage,
};

/** The pages whose file differs from the generated text, with that text. */
export async function stalePages(): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>();
  for (const [path, make] of Object.entries(PAGES)) {
    const content = await make();
    if (read(path) !== content) stale.set(path, content);
  }
  return stale;
}

function read(path: string): string | undefined {
  return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : undefined;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), content);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const stale = await stalePages();
  if (!values.check) for (const [path, content] of stale) write(path, content);
  const verb = values.check ? 'out of step, run node scripts/generate-docs.ts' : 'written';
  for (const path of stale.keys()) console.log(`${path}: ${verb}`);
  process.exitCode = values.check && stale.size > 0 ? 1 : 0;
}
