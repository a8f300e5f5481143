import { join } from 'node:path';
import { openBundle, type OutputOptions, type Plugin } from '../../scripts/bundler.ts';

const SOURCE = join(import.meta.dirname, 'src');

/** The files that the hub serves: `client.js`, and its companions in `client/`. */
export const CLIENT_BUILT: string = join(import.meta.dirname, 'generated');

/**
 * Optional modules beside `client.js`. Each works with any connection, and shares no code with it.
 */
export const COMPANIONS: readonly string[] = ['tabs', 'presence', 'outbox'];

/**
 * Bundles the client, and each companion, with the used parts of `@polycast/protocol`, into a
 * minified module without imports.
 */
export async function buildClient(folder: string = CLIENT_BUILT, options: OutputOptions = {}): Promise<void> {
  const output: OutputOptions = { ...options, comments: false };
  await bundle('index', { ...output, file: join(folder, 'client.js'), minify: { mangleProps } });
  for (const name of COMPANIONS)
    await bundle(name, { ...output, file: join(folder, 'client', `${name}.js`), minify: true });
}

/**
 * Creates the modules of the published package: one for each entry point, without imports. They are
 * readable. Only the client's own members have short names, because a bundler of a page cannot
 * shorten them.
 */
export async function buildClientModules(names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    const output: OutputOptions = { file: join(folder, `${name}.js`), sourcemap: true };
    const isClient = name === 'index';
    await bundle(name, isClient ? { ...output, minify: READABLE } : output);
  }
  await buildClient(join(folder, 'browser'), { sourcemap: true });
}

async function bundle(name: string, output: OutputOptions): Promise<void> {
  const input = join(SOURCE, `${name}.ts`);
  // No module of the client or the protocol has an effect when it is imported.
  const build = await openBundle({
    input,
    platform: 'browser',
    external: /^node:/,
    treeshake: { moduleSideEffects: false, propertyReadSideEffects: false },
    plugins: name === 'index' ? [shortKinds()] : [],
  });
  await build.write({ format: 'esm', ...output });
  await build.close();
}

/**
 * Gives short texts to the kinds of objects that the client's files pass to each other. Spaces keep
 * the columns of the code after them, so source maps stay correct.
 */
function shortKinds(): Plugin {
  const pattern = new RegExp(`'(${INTERNAL_KINDS.join('|')})'`, 'g');
  const short = (all: string, kind: string): string =>
    `'${(INTERNAL_KINDS.indexOf(kind) + 10).toString(36).toUpperCase()}'`.padEnd(all.length);
  return {
    name: 'short-kinds',
    transform: (code, id) => (id.startsWith(SOURCE) ? { code: code.replaceAll(pattern, short), map: null } : undefined),
  };
}

/**
 * Members of the client's own objects, which the wire, the platform, applications and other tabs
 * never see. They may have shorter names. None of them is the name of an input, or is accessed by a
 * text. The tests run the bundle as well.
 */
const INTERNAL_NAMES = [
  // The members of the machine's state, phases and times.
  ...[
    'attempts',
    'chance',
    'channelsMax',
    'effects',
    'failures',
    'gapTo',
    'heldEventsMax',
    'heldEvents',
    'hintMs',
    'kind',
    'lagging',
  ],
  ...[
    'subscriptions',
    'mode',
    'nowMs',
    'phase',
    'position',
    'probeAtMs',
    'probes',
    'provenTransport',
    'retriedWithNewToken',
    'rest',
    'retryAtMs',
    'settings',
  ],
  ...[
    'catchUpThrough',
    'sinceMs',
    'oneByOne',
    'stable',
    'start',
    'provenFailures',
    'successor',
    'tokenRenewable',
    'untilMs',
    'wasLive',
    'sleepThresholdMs',
    'lingerMs',
    'lingerUntilMs',
  ],
  // Members of the objects that the files pass to each other.
  ...[
    'sendOperation',
    'pendingAnswers',
    'cut',
    'deliver',
    'dispatch',
    'ending',
    'feed',
    'isReady',
    'store',
    'limit',
    'onClose',
  ],
  ...[
    'onEffect',
    'onError',
    'onPhase',
    'onCapacity',
    'onStep',
    'openers',
    'pauseMs',
    'load',
    'result',
    'retryMs',
    'save',
    'consumerQueues',
    'markJoined',
    'event',
    'onIgnored',
    'messageBytesMax',
  ],
  ...['attempt', 'target', 'waitSeconds', 'answer', 'matcher', 'handler', 'options', 'request'],
  // Credentials.
  ...['hub', 'tokens', 'renew', 'refuse', 'capacity', 'pollNumber', 'isProbe'],
  ...['from', 'url', 'message'],
];

/**
 * Kinds of effects, and modes of subscriptions: texts that no application, hub or platform sees.
 * Those of inputs are not among them, because the table of transitions has members of these names.
 */
const INTERNAL_KINDS = [
  ...['catch-up', 'deliver', 'failed', 'drop', 'attach', 'remove', 'renew', 'refuse', 'joined', 'answer'],
  ...['attaching', 'joining', 'live', 'full', 'behind', 'lost', 'reconnect', 'back-off', 'stop'],
];

const mangleProps = { include: new RegExp(`^(?:${INTERNAL_NAMES.join('|')})$`) };

const READABLE = {
  mangleProps,
  mangle: false,
  compress: true,
  codegen: { removeWhitespace: false },
} satisfies OutputOptions['minify'];

if (import.meta.main) await buildClient();
