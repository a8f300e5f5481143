import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FIELDS } from '../packages/server/src/config/reference.ts';
import { parseModule, readModules } from './tidy/modules.ts';
import { check, ownBundlers, retiredNames } from './tidy/rules.ts';
import { checkStructure } from './tidy/structure.ts';
import { countBounds } from './tidy/count-bounds.ts';
import { shortFiles } from './tidy/short-files.ts';
import { ownSseParsers } from './tidy/sse-parsers.ts';
import { longSentencesOfComments, longSentencesOfPage } from './tidy/long-sentences.ts';
import { wideCommentsOf, wideCommentsOfC } from './tidy/wide-comments.ts';
import { tidy } from './tidy.ts';

test('the repository is tidy', () => {
  expect(tidy().findings).toEqual([]);
});

test('every setting of the configuration is read by something', () => {
  const readers = readModules('.', ['packages/server/src']).filter(
    ({ path }) => !/\/src\/(?:config|cli)\/|\.test\.ts$/.test(path),
  );
  const source = readers.map(({ path }) => readFileSync(path, 'utf8')).join('\n');
  const unread = FIELDS.filter(({ path }) => !new RegExp(`\\b${path.split('.').at(-1)}\\b`).test(source));
  expect(unread.map(({ path }) => path)).toEqual([]);
});

const violations: readonly [name: string, path: string, source: string, message: RegExp][] = [
  [
    'the core reads the clock',
    'packages/server/src/core/tail.ts',
    'export const now = (): number => Date.now();',
    /uses Date/,
  ],
  [
    'the core draws lots',
    'packages/server/src/core/tail.ts',
    'export const lot: number = Math.random();',
    /Math\.random/,
  ],
  ['the core has a timer', 'packages/server/src/core/tail.ts', 'setTimeout(() => {}, 1);', /setTimeout/],
  ['the core opens a file', 'packages/server/src/core/tail.ts', "import fs from 'node:fs'; fs;", /imports node:fs/],
  ['the protocol depends on a package', 'packages/protocol/src/event.ts', "import 'zod';", /imports zod/],
  [
    'the core knows a transport',
    'packages/server/src/core/tail.ts',
    "export * from '../streams/sse.ts';",
    /core must not import streams/,
  ],
  [
    'a route makes its own cache headers',
    'packages/server/src/streams/presence-route.ts',
    "export const headers = ['Cache-Control', 'no-cache'];",
    /names Cache-Control/,
  ],
  [
    'the engine of subscriptions knows a kind',
    'packages/server/src/subscriptions/engine/dead-letters.ts',
    "export * from '../webhook/webhook-consumer.ts';",
    /subscriptions\/engine must not import subscriptions\/webhook/,
  ],
  [
    'a dispatcher replaces the status of a subscription',
    'packages/server/src/subscriptions/webhook/webhook-dispatcher.ts',
    'consumer.replaceStatus({});',
    /the lifecycle alone/,
  ],
  [
    'a socket is reset, whatever its state',
    'packages/server/src/lab/wire.ts',
    'socket.resetAndDestroy();',
    /Node loses a socket/,
  ],
  [
    'identity writes SQL',
    'packages/server/src/identity/audit.ts',
    "import { DatabaseSync } from 'node:sqlite'; new DatabaseSync('a');",
    /only storage\/ knows the homes/,
  ],
  [
    'the composition opens a home by itself',
    'packages/server/src/composition/storage.ts',
    "import { createMemoryLog } from '../storage/memory/memory-log.ts'; createMemoryLog();",
    /only storage\/ knows the homes/,
  ],
  [
    'a command asks whether data is in memory',
    'packages/server/src/cli/commands/config.ts',
    "export const isInMemory = (data: string): boolean => data === ':memory:';",
    /tests for ':memory:'/,
  ],
  [
    'the engine compares the name of a dialect',
    'packages/server/src/subscriptions/webhook/webhook-dispatcher.ts',
    "export const isHub = (dialect: string): boolean => dialect === 'websub';",
    /names the dialect websub/,
  ],
  [
    'a command lists the dialects by itself',
    'packages/server/src/cli/commands/subscriptions/create.ts',
    "export const choices = ['standard', 'cloudevents'];",
    /names the dialect standard/,
  ],
  [
    'a transport knows subscriptions',
    'packages/server/src/streams/websocket/websocket-operations.ts',
    "export * from '../../subscriptions/state/ports.ts';",
    /streams must not import subscriptions\/state/,
  ],
  [
    'a handler reads a body by itself',
    'packages/server/src/publishing/publish-routes.ts',
    "import { readBody } from '../http/body/request-body.ts'; readBody(1);",
    /only AuthorizedRequest does/,
  ],
  [
    'a handler takes the bare response',
    'packages/server/src/subscriptions/http/pull-routes.ts',
    "import { AuthorizedRequest } from '../../auth/authorized-request.ts'; AuthorizedRequest.responseOf(1);",
    /takes the bare response/,
  ],
  [
    'a handler knows the bare request',
    'packages/server/src/administration/key-routes.ts',
    "import type { IncomingMessage } from 'node:http';",
    /imports node:http/,
  ],
  [
    'one sibling knows another',
    'packages/server/src/storage/memory/memory-log.ts',
    "import '../../streams/sse.ts';",
    /storage must not import streams/,
  ],
  [
    'a leaf knows main',
    'packages/server/src/operate/health.ts',
    "import type { Hub } from '../main.ts';",
    /operate must not import main\.ts/,
  ],
  [
    'a sibling is loaded dynamically',
    'packages/server/src/storage/memory/memory-log.ts',
    "await import('../../streams/sse.ts');",
    /storage must not import streams/,
  ],
  ['the client knows the server', 'packages/client/src/index.ts', "import 'polycast';", /client must not know/],
  [
    'a package reaches into another',
    'packages/client/src/index.ts',
    "import '../../protocol/src/event.ts';",
    /imported by name/,
  ],
  [
    'a socket loses all of its listeners',
    'packages/server/src/streams/sse.ts',
    'export const strip = (socket: { removeAllListeners(): void }): void => socket.removeAllListeners();',
    /uses removeAllListeners/,
  ],
];

test.each(violations)('it is found when %s', (_name, path, source, message) => {
  const found = check([parseModule(path, source)], new Set([path]));
  expect(found.map((finding) => finding.message).join('\n')).toMatch(message);
});

const harmless: readonly [name: string, path: string, source: string][] = [
  [
    'a member that is named like a global',
    'packages/server/src/core/tail.ts',
    'export const at = (order: { process: number }): number => order.process;',
  ],
  ['pure arithmetic', 'packages/server/src/core/tail.ts', 'export const most = Math.max(1, 2);'],
  ['main starting a hub', 'packages/server/src/main.ts', "import './hub.ts'; import './core/tail.ts';"],
  ['a test that starts everything', 'packages/server/src/storage/memory/memory-log.test.ts', "import '../main.ts';"],
];

test.each(harmless)('it is allowed: %s', (_name, path, source) => {
  expect(check([parseModule(path, source)], new Set([path]))).toEqual([]);
});

test('a file and a folder beside it that import each other are found', () => {
  const folder = 'packages/server/src/http';
  const found = checkStructure([
    parseModule(`${folder}/respond.ts`, "import './sockets/unread.ts';"),
    parseModule(`${folder}/sockets/unread.ts`, ''),
    parseModule(`${folder}/sockets/refusal.ts`, "import '../respond.ts';"),
  ]);
  expect(found.map(({ path }) => path)).toEqual([`${folder}/sockets/refusal.ts`]);
});

test('a name or path with a retired word is found, also in a test', () => {
  const source = 'export const flyingCount = (lane: { done: number }): number => lane.done;';
  const paths = ['core/tail.ts', 'core/tail.test.ts', 'engine/inquiry.ts'].map((path) => `packages/server/src/${path}`);
  const found = retiredNames(paths.map((path, index) => parseModule(path, index < 2 ? source : '')));
  expect(found.map(({ path, message }) => [path, /"\w+" is retired/.exec(message)?.[0]])).toEqual([
    [paths[0], '"flying" is retired'],
    [paths[1], '"flying" is retired'],
    [paths[2], '"inquiry" is retired'],
  ]);
});

test('a short file without a reason is found', () => {
  const paths = ['core/crumb.ts', 'core/crumb.test.ts', 'core/events/latest.ts', 'storage/x-worker.ts'];
  const modules = paths.map((path) => parseModule(`packages/server/src/${path}`, 'export const crumb = 1;\n'));
  expect(shortFiles(modules).map(({ path }) => path)).toEqual(['packages/server/src/core/crumb.ts']);
});

test('a cache that bounds its number of entries is found, whatever its names', () => {
  const messages = (path: string, source: string): string[] =>
    countBounds([parseModule(`packages/server/src/${path}`, source)]).map(({ message }) => message);
  const inField = 'class A { #urls = new Map(); add(url) { if (this.#urls.size < MAX) this.#urls.set(url, 1); } }';
  expect(messages('streams/a.ts', inField)).toEqual([expect.stringMatching(/bounds #urls by its number of entries/)]);
  expect(messages('streams/a.ts', 'while (bound <= urls.size) evict(urls);')).toHaveLength(1);
  expect(messages('streams/a.ts', 'while (urls.size > 0) evict(urls);')).toEqual([]);
  expect(messages('cli/a.ts', inField)).toEqual([]);
  const withReason = 'if (keys.size >= MAX) keys.clear();';
  expect(messages('subscriptions/webhook/request/secrets.ts', withReason)).toEqual([]);
  expect(messages('subscriptions/webhook/request/secrets.ts', withReason.replaceAll('keys', 'urls'))).toHaveLength(1);
});

test('a parser of event streams outside the protocol is found', () => {
  const source = "export const blocks = (text: string): string[] => text.split('\\n\\n');";
  const found = ownSseParsers([
    parseModule('conformance/kit/followers.ts', source),
    parseModule('packages/protocol/src/frames.test.ts', source),
  ]);
  expect(found.map(({ path }) => path)).toEqual(['conformance/kit/followers.ts']);
});

test('code that bundles by itself is found', () => {
  const source = "import { rolldown } from 'rolldown'; await rolldown({});";
  const paths = ['examples/kit/front/page-files.ts', 'packages/client/build.test.ts', 'scripts/bundler.ts'];
  const found = ownBundlers(paths.map((path) => parseModule(path, source)));
  expect(found.map(({ path }) => path)).toEqual(['examples/kit/front/page-files.ts']);
});

test('a file without an importer is found, and a worker that is named by its URL is not', () => {
  const modules = [
    parseModule('packages/server/src/storage/thread.ts', "new Worker(new URL('./writer.ts', import.meta.url));"),
    parseModule('packages/server/src/storage/writer.ts', "import './rows.ts';"),
    parseModule('packages/server/src/storage/rows.ts', ''),
    parseModule('packages/server/src/storage/forgotten.ts', ''),
  ];
  const found = check(modules, new Set(['packages/server/src/storage/thread.ts']));
  expect(found.map(({ path }) => path)).toEqual(['packages/server/src/storage/forgotten.ts']);
});

test('files that import each other are found, also through a third one and by types alone', () => {
  const modules = [
    parseModule('packages/client/src/a.ts', "import './b.ts';"),
    parseModule('packages/client/src/b.ts', "import type { C } from './c.ts'; export type B = C;"),
    parseModule('packages/client/src/c.ts', "export type * from './a.ts';"),
    parseModule('packages/client/src/d.ts', "import './a.ts';"),
  ];
  expect(checkStructure(modules)).toEqual([
    {
      path: 'packages/client/src/a.ts',
      message: 'imports itself: packages/client/src/b.ts -> packages/client/src/c.ts -> packages/client/src/a.ts',
    },
  ]);
});

test('a function of more than 80 lines is found; functions inside of it are counted separately', () => {
  const lines = (count: number): string => '\n'.repeat(count);
  const inner = `function inner() {${lines(70)}}`;
  const found = (source: string): readonly number[] =>
    checkStructure([parseModule('bench/run.ts', source)]).map(({ message }) =>
      Number(/of (\d+) lines/.exec(message)?.[1]),
    );
  expect(found(`export function outer() {${lines(79)}}`)).toEqual([]);
  expect(found(`export const outer = () => {${lines(80)}};`)).toEqual([81]);
  expect(found(`export function outer() {${lines(20)}${inner}${lines(20)}}`)).toEqual([]);
  expect(found(`export function outer() {${lines(60)}${inner}${lines(60)}}`)).toEqual([120]);
});

test('a folder of more than 25 sources is found, and tests do not count', () => {
  const files = (count: number, end: string): ReturnType<typeof parseModule>[] =>
    Array.from({ length: count }, (_, index) => parseModule(`simulation/n${index}${end}`, ''));
  expect(checkStructure([...files(25, '.ts'), ...files(5, '.test.ts')])).toEqual([]);
  expect(checkStructure(files(26, '.ts')).map(({ path }) => path)).toEqual(['simulation']);
});

describe('a sentence of more than 25 words', () => {
  const words = (count: number): string => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');
  const linesOf = (found: readonly { message: string }[]): readonly number[] =>
    found.map(({ message }) => Number(/^line (\d+): a sentence of 26 words/.exec(message)?.[1]));
  const inPage = (markdown: string): readonly number[] => linesOf(longSentencesOfPage('a.md', markdown));
  const inComments = (source: string): readonly number[] =>
    linesOf(longSentencesOfComments(parseModule('packages/server/src/a.ts', source)));

  test.each([
    ['a paragraph of several lines', `# A\n\n${words(13)}\n${words(13)}.\n`, 3],
    ['an item of a list', `- ${words(25)}.\n- ${words(26)}.\n`, 2],
    ['a quotation', `> ${words(26)}.\n`, 1],
    ['the last sentence of a paragraph', `${words(3)}. \`code.\` ${words(25)}\n`, 1],
    ['text with code, and with links', `${words(24)} \`a b\` [c](https://d.example/e f).\n`, 1],
    ['text after a block of code', `\`\`\`sh\n${words(30)}\n\`\`\`\n${words(26)}.\n`, 4],
    ['a cell of a table', `| a | b |\n| --- | --- |\n| ${words(20)} | ${words(26)} |\n`, 3],
    ['text with an abbreviation', `${words(20)}, e.g. ${words(5)}.\n`, 1],
  ])('is found in %s', (_name, markdown, line) => {
    expect(inPage(markdown)).toEqual([line]);
  });

  test.each([
    ['25 words', `${words(25)}. ${words(25)}? "${words(25)}!" ${words(25)}\n`],
    ['blocks of code', `~~~\n${words(26)}\n~~~\n`],
    ['headings', `## ${words(26)}\n`],
    ['rows of tables', `| ${words(20)} | ${words(20)}; ${words(20)}<br>${words(20)} |\n`],
    ['names of code in a cell', `| \`a\`, ${'`b` or '.repeat(26)}\`c\` |\n`],
    ['comments of HTML', `<!-- ${words(20)}\n${words(20)} -->\n`],
    ['code spans, link targets and quotations', `\`${words(26)}\` [a](${words(26)}) "${words(26)}"\n`],
    ['rows with dots between their items', `${words(20)} · ${words(20)}\n`],
  ])('is not found in %s', (_name, markdown) => {
    expect(inPage(markdown)).toEqual([]);
  });

  test('is found in comments, whose lines and tags begin anew', () => {
    expect(inComments(`const a = 1;\n/**\n * ${words(13)}\n * ${words(13)}.\n */\n`)).toEqual([3]);
    expect(inComments(`const a = 1;\n\n// ${words(13)}\n// ${words(13)}\n`)).toEqual([3]);
    expect(inComments(`/**\n * ${words(20)}\n * @param a ${words(20)}\n */\n`)).toEqual([]);
    expect(inComments(`const a = 1; // ${words(13)}\nconst b = 1; // ${words(13)}\n`)).toEqual([]);
    expect(inComments(`const a = '${words(26)}';\n`)).toEqual([]);
  });
});

describe('a line of a comment of more than 100 columns', () => {
  const linesOf = (found: readonly { message: string }[]): readonly number[] =>
    found.map(({ message }) => Number(/^line (\d+): a comment of 1\d\d columns/.exec(message)?.[1]));
  const inScript = (source: string): readonly number[] => linesOf(wideCommentsOf('bench/a.ts', source));
  const inC = (source: string): readonly number[] => linesOf(wideCommentsOfC('bench/a.cc', source));
  /** Two words, which have so many columns together. */
  const words = (columns: number): string => `a ${'b'.repeat(columns - 2)}`;
  const url = `https://d.example/${'a'.repeat(100)}`;

  test.each([
    ['a block', `/**\n * ${words(97)}\n * ${words(98)}\n */\n`, 3],
    ['a block of one line', `const a = 1;\n/** ${words(94)} */\n`, 2],
    ['the first line of a block', `/* ${words(98)}\n   b */\n`, 1],
    ['the last line of a block', `/*\n b\n ${words(97)} */\n`, 3],
    ['lines of a comment each', `// b\n  // ${words(95)}\n  // ${words(96)}\n// b\n`, 3],
    ['a comment behind code', `const a = 1; // ${words(86)}\n`, 1],
    ['an item of a list', `// - ${url} b\n`, 1],
    ['text with a URL', `// b ${url}\n`, 1],
  ])('is found in %s', (_name, source, line) => {
    expect(inScript(source)).toEqual([line]);
    expect(inC(source)).toEqual([line]);
  });

  test.each([
    ['100 columns', `/**\n * ${words(97)}\n */\n/** ${words(93)} */\n// ${words(97)}\n`],
    ['code beside a comment', `/* b */ const a = '${words(100)}';\nf('${words(90)}', /* b */ 1);\n`],
    ['texts that look like comments', `const a = '// ${words(100)}', b = "/* ${words(100)} */";\n`],
    ['URLs and samples without a space', `// ${url}\n/** ${url} */\n/*\n * - ${url}\n * @see ${url}\n */\n`],
    ['directives', `// @ts-expect-error ${words(90)}\n/* oxlint-disable-next-line ${words(90)} */\n`],
  ])('is not found in %s', (_name, source) => {
    expect(inScript(source)).toEqual([]);
    expect(inC(source)).toEqual([]);
  });

  test('is found in JSX', () => {
    const jsx = `const a = (\n  <b>\n    {/* ${words(89)} */}\n    {/* ${words(88)} */}\n  </b>\n);\n`;
    expect(linesOf(wideCommentsOf('bench/a.tsx', jsx))).toEqual([3]);
  });

  test('is not found in templates and expressions, nor after the separators of a number in C', () => {
    expect(inScript(`const a = \`\n// ${words(100)}\n\`.split(/[/*]\\/\\/ ${words(100)}/);\n`)).toEqual([]);
    expect(inC(`int a = 1'000; const char *b = "// ${words(100)}", c = '"', *d = "// ${words(100)}";\n`)).toEqual([]);
  });
});
