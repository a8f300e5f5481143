import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorOf } from '../../packages/docs/stage/anchors.ts';
import { FIELDS } from '../../packages/server/src/config/reference.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'examples/README.md', 'examples/*/README.md'], {
  cwd: ROOT,
}).toSorted();
const CODE_FENCE = /^ *```[^]*?^ *```$/gm;

describe.each(PAGES)('%s', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(CODE_FENCE, '');

  test('links to existing pages and headings', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => target as string);
    expect(links.filter((target) => !leadsSomewhere(page, target))).toEqual([]);
  });

  test('names existing files', () => {
    const names = [...text.matchAll(/`([\w.@-]+(?:\/[\w.@-]+)+\.(?:ts|tsx|md|json|yaml))`/g)].map(([, name]) => name);
    expect(names.filter((name) => !NEARBY.some((folder) => existsSync(join(ROOT, folder, name as string))))).toEqual(
      [],
    );
  });
});

/** The folders of the files that a page names. */
const NEARBY = ['', 'packages/server/src', 'packages/protocol/src', 'packages/client/src', 'packages'];

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : posix.join(dirname(page), path);
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

function anchorsOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(CODE_FENCE, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading as string));
}

test.each(['ARCHITECTURE.md', 'docs/memory.md'])('%s names existing settings and limits', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const sources = globSync('packages/*/src/**/*.ts', { cwd: ROOT }).map((path) =>
    readFileSync(join(ROOT, path), 'utf8'),
  );
  const constants = [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name]) => name as string);
  expect(constants.filter((name) => !sources.some((source) => source.includes(`const ${name}`)))).toEqual([]);
  const settings = [...text.matchAll(SETTING)].map(([, name]) => name);
  expect(settings.filter((name) => !FIELDS.some(({ path }) => path === name))).toEqual([]);
});

/** Names of settings in backticks: `limits.connectionsMax`, `identity.site.timeoutMs`. */
const SETTING = /`((?:defaults|delivery|drain|identity|limits|outgoing|storage|subscriptions|websub)(?:\.\w+)+)`/g;

test('ARCHITECTURE.md lists every folder of the server, and no path that does not exist', () => {
  const paths = pathsOfTree(readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8'));
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  const folders = readdirSync(join(ROOT, 'packages/server/src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `packages/server/src/${name}/`);
  expect(folders.filter((folder) => !paths.includes(folder))).toEqual([]);
});

/**
 * The paths in the tree below the heading "Folders": a line is indented by two spaces for each
 * folder above it.
 */
function pathsOfTree(page: string): string[] {
  const [, tree = ''] = /^## Folders\n\n```text\n([^]*?)\n```$/m.exec(page) ?? [];
  const parents: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', names = ''] = /^( *)(\S+(?: \S+)*)/.exec(line) ?? [];
    const depth = indent.length / 2;
    const paths = names.split(' ').map((name) => posix.join(parents[depth - 1] ?? '', name));
    parents[depth] = paths[0] as string;
    return paths;
  });
}

test('docs/decisions/README.md lists every decision', () => {
  const index = readFileSync(join(ROOT, 'docs/decisions/README.md'), 'utf8');
  const decisions = globSync('docs/decisions/*.md', { cwd: ROOT }).map((path) => posix.basename(path));
  expect(decisions.filter((name) => name !== 'README.md' && !index.includes(`](${name})`))).toEqual([]);
});
