import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseSync, visitorKeys } from 'oxc-parser';

/** The facts about one source file that the rules need. */
export interface Module {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  /**
   * As written: `./cursor.ts`, `node:fs`, `zod`. Also files named by `new URL('./x.ts',
   * import.meta.url)`.
   */
  readonly imports: readonly string[];
  /** Names that are used and not imported, and the forms `Object.member` of static members. */
  readonly names: ReadonlySet<string>;
  /** Names of members that are used: `emit` of `this.emit()`. */
  readonly members: ReadonlySet<string>;
  /** Its string literals. */
  readonly texts: ReadonlySet<string>;
  /**
   * Collections whose number of entries is compared with a bound:
   * `#memo` of `this.#memo.size >= MAX`.
   */
  readonly countBounded: ReadonlySet<string>;
  readonly lines: number;
  readonly functions: readonly FunctionSize[];
  readonly comments: readonly Comment[];
}

/** A comment; consecutive comments of a line each are one. */
export interface Comment {
  /** Where it begins, from 1. */
  readonly line: number;
  /** Without its marks; its lines are those of the source. */
  readonly text: string;
  /** The lines of the source that end in it, whole: with the code before it, and with its marks. */
  readonly rows: readonly string[];
}

/** A comment as a parser finds it. */
interface ParsedComment {
  readonly type: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

/** A function, method or arrow function. */
export interface FunctionSize {
  /** Where it begins, from 1. */
  readonly line: number;
  /** Its lines, without those of the functions declared in it. */
  readonly lines: number;
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** What follows a comment that ends its line; the brace is that of a comment in JSX. */
const ENDS_LINE = /^\}?[^\S\n]*(?:\n|$)/;
/** Folders without sources of the repository. */
export const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', 'generated', 'build', '.git', '.cache']);
const WORKER_URL = /new URL\(\s*['"](\.[^'"]+\.ts)['"],\s*import\.meta\.url/g;

/** Reads every TypeScript source below the given folders of the repository. */
export function readModules(root: string, folders: readonly string[]): Module[] {
  return folders.flatMap((folder) =>
    sources(root, folder).map((path) => parseModule(path, readFileSync(join(root, path), 'utf8'))),
  );
}

/** Parses one file. */
export function parseModule(path: string, source: string): Module {
  const { module, program, comments, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const statics = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
  ];
  const dynamics = module.dynamicImports.map(({ moduleRequest }) =>
    source.slice(moduleRequest.start + 1, moduleRequest.end - 1),
  );
  const urls = [...source.matchAll(WORKER_URL)].map(([, target]) => target as string);
  const names = new Set<string>();
  const members = new Set<string>();
  const texts = new Set<string>();
  const countBounded = new Set<string>();
  collectNames(program as unknown as Node, { names, members, texts, countBounded });
  const imports = [...new Set([...statics, ...dynamics, ...urls])];
  return {
    path,
    imports,
    names,
    members,
    texts,
    countBounded,
    lines: source.split('\n').length,
    functions: functionsOf(program as unknown as Node, source),
    comments: commentsOf(comments, source),
  };
}

/** The path of a relative import's file; `undefined` for a package. */
export function resolveRelative(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}

function functionsOf(program: Node, source: string): FunctionSize[] {
  const found: FunctionSize[] = [];
  /** Returns the lines of the functions declared below a node. */
  const visit = (node: Node): number => {
    let declared = 0;
    for (const child of childrenOf(node)) declared += visit(child);
    if (!IS_FUNCTION.test(node.type)) return declared;
    const [start, end] = [lineAt(source, node['start'] as number), lineAt(source, node['end'] as number)];
    const all = end - start + 1;
    found.push({ line: start, lines: all - declared });
    return node.type === 'FunctionDeclaration' ? all : declared;
  };
  visit(program);
  return found;
}

export function commentsOf(parsed: readonly ParsedComment[], source: string): Comment[] {
  const lines = source.split('\n');
  const comments: { line: number; text: string; rows: string[] }[] = [];
  let offset = 0;
  let lineNumber = 1;
  let lastLine = 0;
  for (const { type, value, start, end } of parsed) {
    lineNumber += source.slice(offset, start).split('\n').length - 1;
    offset = start;
    const ownsLine = (lines[lineNumber - 1] as string).trimStart().startsWith('//');
    const rows = lines.slice(lineNumber - 1, lineNumber + value.split('\n').length - 1);
    if (!ENDS_LINE.test(source.slice(end))) rows.pop();
    const previous = comments.at(-1);
    if (type === 'Line' && ownsLine && previous !== undefined && lastLine === lineNumber - 1) {
      previous.text += `\n${value.trim()}`;
      previous.rows.push(...rows);
    } else comments.push({ line: lineNumber, text: value.replace(/^[ *]+|(?<=\n)\s*\* ?/g, ''), rows });
    lastLine = type === 'Line' && ownsLine ? lineNumber : 0;
  }
  return comments;
}

const IS_FUNCTION = /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/;

function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

function childrenOf(node: Node, skipped?: string): Node[] {
  const keys = (visitorKeys[node.type] ?? []).filter((key) => key !== skipped);
  return keys.flatMap((key) => [node[key]].flat()).filter(isNode);
}

function sources(root: string, folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : sources(root, path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

interface Collected {
  readonly names: Set<string>;
  readonly members: Set<string>;
  readonly texts: Set<string>;
  readonly countBounded: Set<string>;
}

/** Property names do not count as uses: `record.process` is no use of `process`. */
function collectNames(node: Node, into: Collected): void {
  const { names, members, texts } = into;
  if (node.type === 'Literal' && typeof node['value'] === 'string') texts.add(node['value']);
  if (node.type === 'Identifier') names.add(node['name'] as string);
  if (node.type === 'BinaryExpression' && /^[<>]=?$/.test(node['operator'] as string)) {
    const [left, right] = [node['left'], node['right']] as [Node, Node];
    addCountBounded(left, right, into.countBounded);
    addCountBounded(right, left, into.countBounded);
  }
  const plainMember = node.type === 'MemberExpression' && node['computed'] === false;
  if (plainMember) addMember(node, names, members);
  const skipped = plainMember ? 'property' : isNamedByKey(node) ? 'key' : undefined;
  for (const child of childrenOf(node, skipped)) collectNames(child, into);
}

function addMember(node: Node, names: Set<string>, members: Set<string>): void {
  const object = node['object'] as Node;
  const property = node['property'] as Node;
  members.add(property['name'] as string);
  if (object.type === 'Identifier') names.add(`${object['name'] as string}.${property['name'] as string}`);
}

/**
 * Adds `memo` for `memo.size < bound`. A literal is no bound:
 * `size > 0` asks whether there is an entry.
 */
function addCountBounded(side: Node, bound: Node, countBounded: Set<string>): void {
  if (side.type !== 'MemberExpression' || (side['property'] as Node)['name'] !== 'size' || bound.type === 'Literal')
    return;
  const object = side['object'] as Node;
  const named = object.type === 'MemberExpression' ? (object['property'] as Node) : object;
  if (typeof named['name'] === 'string')
    countBounded.add(named.type === 'PrivateIdentifier' ? `#${named['name']}` : named['name']);
}

/**
 * `{ process: 1 }`, `{ readonly process: string }`, `class { process() {} }` name a member, not the
 * global.
 */
function isNamedByKey(node: Node): boolean {
  const named =
    /^(?:TS)?(?:Abstract)?(?:Property|PropertyDefinition|MethodDefinition|PropertySignature|MethodSignature)$/;
  return named.test(node.type) && node['computed'] !== true && node['shorthand'] !== true;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}
