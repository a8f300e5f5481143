import { posix } from 'node:path';
import { resolveRelative, type Module } from './modules.ts';
import type { Finding } from './rules.ts';

/** The limit of a function's lines. Functions declared inside of it are counted separately. */
const FUNCTION_LINES_MAX = 80;
/** The limit of a folder's sources. Tests do not count. */
const FOLDER_FILES_MAX = 25;

/** All violations that concern the structure, not a single import. */
export function checkStructure(modules: readonly Module[]): Finding[] {
  return [...cycles(modules), ...mutualImports(modules), ...longFunctions(modules), ...crowdedFolders(modules)];
}

/** Files that import each other, directly or through others. Imports of types count. */
function cycles(modules: readonly Module[]): Finding[] {
  const targets = new Map(
    modules.map(({ path, imports }) => [
      path,
      imports.map((specifier) => resolveRelative(path, specifier)).filter((target) => target !== undefined),
    ]),
  );
  const done = new Set<string>();
  const trail: string[] = [];
  const found: Finding[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push({ path, message: `imports itself: ${[...trail.slice(start + 1), path].join(' -> ')}` });
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    targets.get(path)?.forEach(visit);
    trail.pop();
    done.add(path);
  };
  for (const path of targets.keys()) visit(path);
  return found;
}

/** Folders in which no two entries, files or folders, may import each other, however deep. */
const ONE_WAY = 'packages/server/src/';
/** The parts of the core are arguments of each other's functions. */
const NOT_ONE_WAY = `${ONE_WAY}core/`;

/**
 * Example: `http/respond.ts` imports `http/sockets/a.ts`,
 * and `http/sockets/b.ts` imports `http/respond.ts`.
 */
function mutualImports(modules: readonly Module[]): Finding[] {
  const seen = new Map<string, string>();
  const found: Finding[] = [];
  for (const { path, imports } of modules) {
    if (!path.startsWith(ONE_WAY) || path.startsWith(NOT_ONE_WAY) || isTest(path)) continue;
    for (const specifier of imports) {
      const target = resolveRelative(path, specifier);
      if (target?.startsWith(ONE_WAY) !== true) continue;
      const [from, to] = siblingsOf(path, target);
      seen.set(`${from} ${to}`, path);
      const back = seen.get(`${to} ${from}`);
      if (from !== to && back !== undefined)
        found.push({ path, message: `${from} imports ${to}, which imports it in ${back}` });
    }
  }
  return found;
}

/** The two entries of the deepest folder that has both paths. */
function siblingsOf(path: string, target: string): readonly [string, string] {
  const [from, to] = [path.split('/'), target.split('/')];
  const depth = from.findIndex((name, index) => name !== to[index]);
  return [from.slice(0, depth + 1).join('/'), to.slice(0, depth + 1).join('/')];
}

function longFunctions(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path }) => !isTested(path))
    .flatMap(({ path, functions }) =>
      functions
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ line, lines }) => ({
          path,
          message: `has a function of ${lines} lines at line ${line}: at most ${FUNCTION_LINES_MAX}`,
        })),
    );
}

function crowdedFolders(modules: readonly Module[]): Finding[] {
  const folders = Map.groupBy(
    modules.filter(({ path }) => !isTest(path)),
    ({ path }) => posix.dirname(path),
  );
  return [...folders]
    .filter(([, files]) => files.length > FOLDER_FILES_MAX)
    .map(([path, { length }]) => ({ path, message: `holds ${length} files: at most ${FOLDER_FILES_MAX}` }));
}

/** A test, or a suite of tests that each home of a port runs. */
function isTested(path: string): boolean {
  return isTest(path) || path.includes('/contract/');
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path);
}
