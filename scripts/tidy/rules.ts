import { DIALECTS } from '../../packages/server/src/subscriptions/dialects/registry.ts';
import { resolveRelative, type Module } from './modules.ts';

/** A violation of a rule, and its file. */
export interface Finding {
  readonly path: string;
  readonly message: string;
}

/**
 * The names of I/O, time and randomness. The protocol uses none of them, and the core none of them
 * and no dates.
 */
const IMPURE: readonly string[] =
  'Buffer process console performance fetch crypto globalThis Date.now Math.random queueMicrotask setTimeout setInterval setImmediate clearTimeout clearInterval'.split(
    ' ',
  );
const IMPURE_IN_CORE = [...IMPURE, 'Date'];

/** What each folder of the server may import from, besides itself and packages. */
const SERVER = 'packages/server/src/';
/** The four folders of HTTP. */
const HTTP_FOLDERS = ['http', 'auth', 'streams', 'publishing'];
/** The imports of each folder inside `subscriptions`. The other folders there compose these. */
const SUBSCRIPTION_WALLS: Readonly<Record<string, readonly string[]>> = {
  'subscriptions/state': ['core'],
  'subscriptions/engine': ['core', 'subscriptions/state'],
  'subscriptions/webhook': ['core', 'subscriptions/state', 'subscriptions/engine'],
  'subscriptions/pull': ['core', 'subscriptions/state', 'subscriptions/engine'],
};
const SUBSCRIPTION_FOLDERS = ['subscriptions', ...Object.keys(SUBSCRIPTION_WALLS)];
const SERVICES = [
  'platform',
  'processes',
  'storage',
  'identity',
  'outgoing',
  'presence',
  'sessions',
  'operate',
  'telemetry',
  'lab',
  'console',
  'portal',
  'config',
];
const EVERY_SERVICE = ['core', ...HTTP_FOLDERS, ...SUBSCRIPTION_FOLDERS, ...SERVICES, 'ingest'];
const FOLDER_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ...SUBSCRIPTION_WALLS,
  // Files of the package, and libraries that are loaded late.
  platform: [],
  // Messages between the processes of one hub.
  processes: ['core'],
  storage: ['core', 'platform', 'processes', 'subscriptions/state'],
  identity: ['core', 'platform'],
  presence: ['core'],
  // The journal of sessions.
  sessions: ['core', 'http', 'auth'],
  outgoing: ['core', 'platform', 'subscriptions/state'],
  // Its routes describe themselves.
  operate: ['core', 'http'],
  // Spans around the ports of publishing, webhooks and pulls. Only composition loads it, late.
  telemetry: ['core', 'operate', 'subscriptions/state'],
  lab: ['core', 'platform'],
  // The pages alone: the API behind them is everybody's.
  console: ['core', 'platform', 'http'],
  portal: ['core', 'platform', 'http'],
  // How a field of the configuration is declared.
  settings: ['core'],
  // The settings of subscriptions are declared beside them.
  // `storage/data-setting.ts` says which places of data there are.
  config: ['core', 'settings', 'storage', ...SUBSCRIPTION_FOLDERS],
  // No arrow runs back: composition gives HTTP its handlers, and WebSockets their pulls.
  // The last two do not know each other.
  http: ['core'],
  auth: ['core', 'http', 'processes'],
  streams: ['core', 'http', 'auth'],
  publishing: ['core', 'http', 'auth'],
  subscriptions: ['core', 'processes', 'settings', ...SUBSCRIPTION_FOLDERS, ...HTTP_FOLDERS],
  // Webhooks of third parties become events; configured keys are read as those of tokens.
  ingest: ['core', 'http', 'auth', 'publishing', 'identity'],
  // Routes of operators: keys, revocations, audit, status, sessions.
  administration: ['core', ...HTTP_FOLDERS, 'identity', 'operate', 'sessions'],
  // Why an event reached a reader, or did not.
  explain: ['core', ...HTTP_FOLDERS, ...SUBSCRIPTION_FOLDERS, 'sessions'],
  composition: [...EVERY_SERVICE, 'administration', 'explain'],
  'hub.ts': ['composition', 'config', 'operate', 'auth', 'http', 'processes'],
  'reopened-hub.ts': ['auth', 'config', 'hub.ts'],
  'hub-with-lab.ts': ['auth', 'config', 'http', 'lab', 'platform', 'storage', 'hub.ts', 'reopened-hub.ts'],
  'main.ts': ['core', 'config', 'operate', 'hub.ts', 'reopened-hub.ts', 'hub-with-lab.ts'],
  cli: [...EVERY_SERVICE, 'main.ts'],
  // Test helpers start whole hubs.
  testing: [...EVERY_SERVICE, 'hub.ts'],
};

/**
 * The sibling packages that each package may import. A package that is not listed may import any.
 */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  client: ['@polycast/protocol'],
  server: ['@polycast/protocol', '@polycast/client', '@polycast/client/webhooks'],
  react: ['@polycast/client', '@polycast/client/presence'],
  console: ['@polycast/protocol', '@polycast/client', '@polycast/client/presence'],
};

/** The headers that control caches. One file sets them, depending on the caller. */
const CACHE_HEADER = /^(?:cache-control|vary|etag)$/i;
const CACHE_HEADERS_HOME = `${SERVER}http/headers/cache-headers.ts`;
/** Answers that are the same for all callers, in folders that may not import the transports. */
const CACHE_HEADERS_ELSEWHERE: ReadonlySet<string> = new Set(
  ['operate/health-routes.ts', 'lab/answers.ts', 'lab/wire-log.ts', 'platform/static-files.ts'].map(
    (path) => SERVER + path,
  ),
);

/** The file that opens all bundles: a module that is not found fails the build. */
const BUNDLER = 'scripts/bundler.ts';

/** Allowed imports by path between packages, each with its reason. */
const CROSSINGS: Readonly<Record<string, string>> = {
  // The server sends the Lab's page the records of its wire. The server defines their form, and
  // only types are imported.
  'packages/console/pages/lab/src/model/records.ts': 'packages/server/src/lab/records.ts',
  // Builds run in the repository alone.
  'packages/client/build.ts': BUNDLER,
  'packages/react/build.ts': BUNDLER,
  'packages/server/build.ts': BUNDLER,
  // So do the helpers of the tests that restart a hub.
  'packages/console/browser/console-page.ts': 'scripts/unused-port.ts',
  'packages/console/browser/lab-page.ts': 'scripts/unused-port.ts',
};

/**
 * Files that may remove listeners that others have added. An `error` event without a listener ends
 * the process, so a socket that loses all listeners must get one back in the same call.
 */
const MAY_REMOVE_ALL_LISTENERS: Readonly<Record<string, string>> = {
  'packages/server/src/http/sockets/error-safe-socket.ts': 'Gives the listener of errors back.',
  'packages/server/src/http/http-server.ts': 'Names the event.',
};

/**
 * Words that names no longer use: idioms, or words with several meanings (docs/glossary.md has the
 * terms). `lane`, `line` and `letter` stay, each with one meaning.
 */
const RETIRED_WORDS: ReadonlySet<string> = new Set(
  (
    'alarm census courtesy desk dismissal dismissals doubtful excuse excused farewell flying gathering hurry inquiry landed ' +
    'landing landings ledger meant means noted standing standings tell teller telling tells told whom wish wishes witness'
  ).split(' '),
);

/** Methods that one file alone may call, besides helpers of tests, each with the reason. */
const ONE_CALLER: Readonly<Record<string, { readonly caller: string; readonly reason: string }>> = {
  replaceStatus: {
    caller: 'packages/server/src/subscriptions/engine/subscription-lifecycle.ts',
    reason: 'the lifecycle alone replaces the status of a subscription',
  },
  resetAndDestroy: {
    caller: 'packages/server/src/lab/wire-connection.ts',
    reason: 'Node loses a socket that it resets while its end is on its way, see `resetConnection`',
  },
};

/**
 * The names of dialects. Only a dialect's folder may use its name; other code asks its object
 * (`subscriptions/state/dialect.ts`).
 */
const DIALECT_NAMES: ReadonlySet<string> = new Set(DIALECTS.names);
const DIALECTS_HOME = `${SERVER}subscriptions/dialects/`;
/** Files with such a word that is not a comparison, each with its reason. */
const DIALECT_WORDS: readonly { readonly path: RegExp; readonly reason: string }[] = [
  { path: /subscriptions\/state\/definition\.ts$/, reason: 'A format of bodies is called cloudevents too.' },
  { path: /core\/ingest-settings\.ts$/, reason: 'Incoming webhooks follow the same standard.' },
];

/** All violations of the rules of ARCHITECTURE.md. */
export function check(modules: readonly Module[], entries: ReadonlySet<string>): Finding[] {
  const findings = modules
    .filter(({ path }) => !isTest(path))
    .flatMap((module) => [
      ...impureUses(module),
      ...forbiddenImports(module),
      ...removals(module),
      ...dataHomes(module),
      ...unauthorized(module),
      ...cacheHeaders(module),
      ...dialectNames(module),
      ...otherCallers(module),
    ]);
  return [...findings, ...deadFiles(modules, entries)];
}

/** Files that are longer than usual (about 200 lines is natural, 400 is the limit here). */
export function longFiles(modules: readonly Module[], linesMax: number): Finding[] {
  return modules
    .filter(({ lines }) => lines > linesMax)
    .toSorted((one, other) => other.lines - one.lines)
    .map(({ path, lines }) => ({ path, message: `${lines} lines` }));
}

/** Folders of the server in which time, randomness and I/O are arguments. */
const PURE = [
  'core/',
  'subscriptions/state/',
  'subscriptions/webhook/pacing/retry-',
  'subscriptions/webhook/pacing/endpoint-',
];

function impureUses({ path, imports, names }: Module): Finding[] {
  const inCore = PURE.some((folder) => path.startsWith(SERVER + folder));
  if (!inCore && !path.startsWith('packages/protocol/src/')) return [];
  const used = (inCore ? IMPURE_IN_CORE : IMPURE)
    .filter((name) => names.has(name))
    .map((name) => ({ path, message: `uses ${name}: time, chance and I/O come in as arguments` }));
  const foreign = imports
    .filter((specifier) => !specifier.startsWith('.') && !(inCore && specifier === '@polycast/protocol'))
    .map((specifier) => ({
      path,
      message: `imports ${specifier}: only ${inCore ? '@polycast/protocol' : 'its own files'} may be imported here`,
    }));
  return [...used, ...foreign];
}

function cacheHeaders({ path, texts }: Module): Finding[] {
  if (!path.startsWith(SERVER) || path === CACHE_HEADERS_HOME || CACHE_HEADERS_ELSEWHERE.has(path)) return [];
  return [...texts]
    .filter((text) => CACHE_HEADER.test(text))
    .map((text) => ({ path, message: `names ${text}: ${CACHE_HEADERS_HOME} makes it, from who asks` }));
}

/** A name of a dialect in code that must treat all dialects alike. */
function dialectNames({ path, texts }: Module): Finding[] {
  if (!path.startsWith(SERVER) || path.startsWith(DIALECTS_HOME) || /\/testing[/.]/.test(path)) return [];
  if (DIALECT_WORDS.some((words) => words.path.test(path))) return [];
  return [...texts]
    .filter((text) => DIALECT_NAMES.has(text))
    .map((text) => ({ path, message: `names the dialect ${text}: its object in subscriptions/dialects decides` }));
}

/**
 * Names with a retired word, in tests and helpers too. `flyingCount` has the words `flying` and
 * `count`; the path `engine/inquiry.ts` has `inquiry`.
 */
export function retiredNames(modules: readonly Module[]): Finding[] {
  return modules.flatMap(({ path, names, members }) =>
    [...new Set([path, ...names, ...members])].flatMap((name) =>
      name
        .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
        .toLowerCase()
        .split(/[ _.$#/-]/)
        .filter((word) => RETIRED_WORDS.has(word))
        .map((word) => ({ path, message: `uses ${name}: "${word}" is retired, docs/glossary.md has the terms` })),
    ),
  );
}

/** Code that bundles by itself: an import that is not found would stay in the output. */
export function ownBundlers(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path, imports }) => imports.includes('rolldown') && path !== BUNDLER && !isTest(path))
    .map(({ path }) => ({ path, message: `imports rolldown: openBundle of ${BUNDLER} fails at a missing module` }));
}

function otherCallers({ path, members }: Module): Finding[] {
  if (path.includes('/testing/')) return [];
  return Object.entries(ONE_CALLER)
    .filter(([method, { caller }]) => members.has(method) && path !== caller)
    .map(([method, { reason }]) => ({ path, message: `calls ${method}: ${reason}` }));
}

/** Other folders receive ports from `openStorage`, and cannot distinguish the homes of the data. */
function dataHomes({ path, imports, texts }: Module): Finding[] {
  if (!path.startsWith(SERVER) || folderOf(path) === 'storage' || /\/testing[/.]/.test(path)) return [];
  const homes = imports.filter((specifier) => /^node:sqlite$|\/storage\/(?:sqlite|memory|homes\.ts)/.test(specifier));
  const findings = homes.map((specifier) => ({ path, message: `imports ${specifier}: only storage/ knows the homes` }));
  if (texts.has(':memory:'))
    findings.push({ path, message: "tests for ':memory:': storage/data-setting.ts says whether data has a folder" });
  return findings;
}

function removals({ path, members }: Module): Finding[] {
  if (!members.has('removeAllListeners') || MAY_REMOVE_ALL_LISTENERS[path] !== undefined) return [];
  return [{ path, message: 'uses removeAllListeners: `removeListeners` keeps the listener of errors' }];
}

/**
 * Handlers receive an `AuthorizedRequest` and nothing below it. A handler that read a body, or
 * wrote an answer, by itself would not check the caller's permission again.
 */
function unauthorized({ path, imports, names }: Module): Finding[] {
  if (!path.startsWith(SERVER)) return [];
  const findings: Finding[] = [];
  const below = path.slice(SERVER.length);
  const readers = ['http/body/request-body.ts', 'auth/authorized-request.ts'];
  if (names.has('readBody') && !readers.includes(below))
    findings.push({ path, message: 'reads a body: only AuthorizedRequest does, and then asks again' });
  if (names.has('AuthorizedRequest.responseOf') && !HTTP_FOLDERS.some((folder) => below.startsWith(`${folder}/`)))
    findings.push({ path, message: 'takes the bare response: AuthorizedRequest answers' });
  const isHandlers = below.startsWith('administration/') || below.startsWith('subscriptions/');
  if (isHandlers && !below.includes('testing') && imports.includes('node:http'))
    findings.push({ path, message: 'imports node:http: handlers get an AuthorizedRequest' });
  return findings;
}

function forbiddenImports({ path, imports }: Module): Finding[] {
  const home = packageOf(path);
  if (home === undefined) return [];
  const allowed = PACKAGES[home.name];
  return imports.flatMap((specifier) => {
    const target = resolveRelative(path, specifier);
    if (target === undefined) {
      const foreign = allowed !== undefined && isWorkspacePackage(specifier) && !allowed.includes(specifier);
      return foreign ? [{ path, message: `imports ${specifier}, which ${home.name} must not know` }] : [];
    }
    if (CROSSINGS[path] === target) return [];
    if (!target.startsWith(home.folder))
      return [{ path, message: `imports ${target} by path: other packages are imported by name` }];
    return folderViolation(path, target);
  });
}

function folderViolation(path: string, target: string): Finding[] {
  if (!path.startsWith(SERVER) || !target.startsWith(SERVER)) return [];
  const from = folderOf(path);
  const to = folderOf(target);
  if (from === to || FOLDER_IMPORTS[from]?.includes(to) === true) return [];
  return [{ path, message: `${from} must not import ${to} (${target})` }];
}

/** Files that are not reached from an entry point or a test. */
function deadFiles(modules: readonly Module[], entries: ReadonlySet<string>): Finding[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const reached = new Set<string>();
  const pending = modules
    .map(({ path }) => path)
    .filter((path) => entries.has(path) || isTest(path) || path.endsWith('-worker.ts') || !path.includes('/src/'));
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const module = byPath.get(path);
    if (module === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const specifier of module.imports)
      pending.push(...[resolveRelative(path, specifier)].filter((target) => target !== undefined));
  }
  return modules
    .filter(({ path }) => !reached.has(path) && !path.endsWith('.d.ts'))
    .map(({ path }) => ({ path, message: 'nothing imports this file' }));
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path);
}

function folderOf(path: string): string {
  const [folder = '', inner] = path.slice(SERVER.length).split('/');
  const walled = `${folder}/${inner}`;
  return SUBSCRIPTION_WALLS[walled] === undefined ? folder : walled;
}

function packageOf(path: string): { name: string; folder: string } | undefined {
  const [top, name] = path.split('/');
  return top === 'packages' && name !== undefined ? { name, folder: `packages/${name}/` } : undefined;
}

function isWorkspacePackage(specifier: string): boolean {
  return specifier === 'polycast' || specifier.startsWith('@polycast/');
}
