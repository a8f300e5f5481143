import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { commentsOf, parseModule, SKIPPED, type Comment, type Module } from './modules.ts';
import type { Finding } from './rules.ts';

/**
 * Code may be wider. Prose is read line by line, and an eye that returns from a long line
 * loses its place.
 */
const COLUMNS_MAX = 100;

/** Sources that the other rules do not read: scripts in JavaScript, and those at the root. */
const OTHER_SCRIPTS = ['*.ts', '**/*.{js,cjs,mjs,cts,mts}'];
const C_SOURCES = '**/*.{c,cc,cpp,h,hpp}';

/**
 * The marks of a comment, and of an item or a tag in it. Nothing breaks a line directly after them.
 */
const MARKS = /^\s*(?:\/\/+|\/\*+|\*)?\s*(?:(?:[-*+]|\d+\.|@\w+)\s+)?/;
/** The tool that reads a directive expects it on one line, with its reason. */
const DIRECTIVE = /(?:\/\/+|\/\*+)\s*(?:@ts-|(?:ox|es)lint-|oxfmt-|NOLINT|<reference )/;

/**
 * In C, what begins a comment may also stand in a text,
 * and a quote also separates the digits of a number.
 */
const C_TOKEN = /\d'(?=\w)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/.*|\/\*[^]*?\*\//g;

/** Lines of comments beyond `COLUMNS_MAX`, in all sources in TypeScript, JavaScript, C and C++. */
export function wideComments(root: string, modules: readonly Module[]): Finding[] {
  const exclude = (path: string): boolean => SKIPPED.has(posix.basename(path));
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  return [
    ...modules.flatMap(({ path, comments }) => wideLines(path, comments)),
    ...globSync(OTHER_SCRIPTS, { cwd: root, exclude }).flatMap((path) => wideCommentsOf(path, read(path))),
    ...globSync(C_SOURCES, { cwd: root, exclude }).flatMap((path) => wideCommentsOfC(path, read(path))),
  ];
}

export function wideCommentsOf(path: string, source: string): Finding[] {
  return wideLines(path, parseModule(path, source).comments);
}

export function wideCommentsOfC(path: string, source: string): Finding[] {
  const parsed = [...source.matchAll(C_TOKEN)]
    .filter(([token]) => /^\/[/*]/.test(token))
    .map(({ 0: token, index }) => ({
      type: token.startsWith('//') ? 'Line' : 'Block',
      value: token.replace(/^\/[/*]|\*\/$/g, ''),
      start: index,
      end: index + token.length,
    }));
  return wideLines(path, commentsOf(parsed, source));
}

function wideLines(path: string, comments: readonly Comment[]): Finding[] {
  return comments.flatMap(({ line, rows }) =>
    rows.flatMap((row, index) => {
      if (row.length <= COLUMNS_MAX || !isBreakable(row)) return [];
      const message = `line ${line + index}: a comment of ${row.length} columns, ${COLUMNS_MAX} is the limit: ${row.trim()}`;
      return [{ path, message }];
    }),
  );
}

/** A URL or a sample of code without a space that has the line for itself is no fault. */
function isBreakable(row: string): boolean {
  const text = row.replace(MARKS, '').replace(/\s*(?:\*\/)?\s*$/, '');
  return /\s/.test(text) && !DIRECTIVE.test(row);
}
