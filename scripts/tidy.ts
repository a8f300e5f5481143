import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { readModules } from './tidy/modules.ts';
import { check, longFiles, ownBundlers, retiredNames, type Finding } from './tidy/rules.ts';
import { checkStructure } from './tidy/structure.ts';
import { countBounds } from './tidy/count-bounds.ts';
import { shortFiles } from './tidy/short-files.ts';
import { ownSseParsers } from './tidy/sse-parsers.ts';
import { longSentences } from './tidy/long-sentences.ts';
import { wideComments } from './tidy/wide-comments.ts';

const ROOT = join(import.meta.dirname, '..');
const LINES_MAX = 400;

/** Folders beside the packages whose shape is checked too. */
const OTHER_FOLDERS = ['bench', 'conformance', 'examples', 'scripts', 'simulation'];

/**
 * Checks the rules of ARCHITECTURE.md: imports between folders, the core's dependencies, and dead
 * files. Also checks the structure (cycles, long functions, large folders, short files), and the
 * length of sentences in pages and comments, and the width of comments.
 */
export function tidy(root: string = ROOT): {
  readonly findings: readonly Finding[];
  readonly long: readonly Finding[];
} {
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
  const modules = readModules(root, packages);
  const others = readModules(root, OTHER_FOLDERS);
  const findings = [
    ...check(modules, entryPoints(root, packages)),
    ...retiredNames([...modules, ...others]),
    ...ownBundlers([...modules, ...others]),
    ...checkStructure([...modules, ...others]),
    ...shortFiles(modules),
    ...countBounds(modules),
    ...ownSseParsers([...modules, ...others]),
    ...longSentences(root, [...modules, ...others]),
    ...wideComments(root, [...modules, ...others]),
  ];
  return { findings, long: longFiles(modules, LINES_MAX) };
}

/**
 * The entry points of a package: `exports` and `bin` of its `package.json`, and the scripts of its
 * HTML pages.
 */
function entryPoints(root: string, packages: readonly string[]): ReadonlySet<string> {
  const entries = packages.flatMap((folder) => {
    const manifest = readFileSync(join(root, folder, 'package.json'), 'utf8');
    const html = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.html') && !name.includes('node_modules'))
      .flatMap((name) =>
        scripts(readFileSync(join(root, folder, name), 'utf8')).map((source) =>
          posix.join(folder, posix.dirname(name), source),
        ),
      );
    return [
      ...[...manifest.matchAll(/"(\.\/[^"]+\.tsx?)"/g)].map(([, path]) => posix.join(folder, path as string)),
      ...html,
    ];
  });
  return new Set(entries);
}

function scripts(html: string): string[] {
  return [...html.matchAll(/<script[^>]*\ssrc="\/?([^"]+\.tsx?)"/g)].map(([, source]) => source as string);
}

if (import.meta.main) {
  const { findings, long } = tidy();
  for (const { path, message } of long) console.log(`long   ${path}: ${message}`);
  for (const { path, message } of findings) console.log(`error  ${path}: ${message}`);
  console.log(findings.length === 0 ? 'tidy' : `${findings.length} found`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
