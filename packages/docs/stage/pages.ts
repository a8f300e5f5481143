import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The root of the repository. */
export const ROOT: string = join(import.meta.dirname, '../../..');

/**
 * A page of the site. The Markdown file `docs/guides/websocket.md` is the page `guides/websocket`:
 * the hub serves it at `/docs/guides/websocket`.
 */
export interface Page {
  /** The path of the Markdown file, from the root of the repository. */
  readonly source: string;
  /** The path on the site, without an extension: `guides/websocket`. */
  readonly address: string;
  /** The first heading. */
  readonly title: string;
  readonly markdown: string;
}

const SOURCES = [
  'docs/**/*.md',
  'examples/README.md',
  'examples/*/README.md',
  'PROTOCOL.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
];

/** All pages, by the path of their file. */
export function readPages(): ReadonlyMap<string, Page> {
  const sources = globSync(SOURCES, { cwd: ROOT, exclude: (name) => name === 'node_modules' }).toSorted();
  return new Map(sources.map((source) => [source, readPage(source)]));
}

function readPage(source: string): Page {
  const markdown = readFileSync(join(ROOT, source), 'utf8');
  const [, title = source] = /^# (.+)$/m.exec(markdown) ?? [];
  return { source, address: addressOf(source), title, markdown };
}

/**
 * `docs/decisions/README.md` is `decisions/index`, `examples/chat/README.md` is `examples/chat`.
 */
function addressOf(source: string): string {
  const [, example] = /^examples\/([\w-]+)\/README\.md$/.exec(source) ?? [];
  if (example !== undefined) return `examples/${example}`;
  if (source === 'examples/README.md') return 'examples/index';
  const path = source.startsWith('docs/') ? source.slice('docs/'.length) : source.toLowerCase();
  return path.replace(/README\.md$/, 'index.md').replace(/\.md$/, '');
}

/** The address as browsers show it: `decisions/index` is `decisions/`. */
export function linkTo({ address }: Page): string {
  return `/${address.replace(/(^|\/)index$/, '$1')}`;
}
