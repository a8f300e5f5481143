import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { rolldown, type OutputOptions } from 'rolldown';

/** Where the hub finds what it serves at `/client.js`. */
export const CLIENT_BUNDLE: string = join(import.meta.dirname, 'generated/client.js');

/** Bundles the client and what it uses of `@polycast/protocol` into one minified module without any import. */
export async function buildClient(file: string = CLIENT_BUNDLE): Promise<void> {
  const mangleProps = { include: new RegExp(`^(?:${INTERNAL_NAMES.join('|')})$`) };
  await bundle({ file, comments: false, minify: { mangleProps } });
}

/**
 * Makes the published package of what `tsc` has emitted for the client: one legible module, and declarations that bring
 * those of the protocol along, so that the package depends on no other.
 * @param dist what was emitted for the client
 * @param protocolDist what was emitted for the protocol
 */
export async function finishPackage(dist: string, protocolDist: string): Promise<void> {
  for (const name of await readdir(dist, { recursive: true })) {
    if (name.endsWith('.js')) await rm(join(dist, name));
  }
  await bundle({ file: join(dist, 'index.js') });
  const protocol = join(dist, 'protocol');
  await cp(protocolDist, protocol, { recursive: true, filter: (path) => !path.endsWith('.js') });
  for (const name of await readdir(dist, { recursive: true })) {
    if (name.endsWith('.d.ts') && !name.startsWith('protocol'))
      await bringAlong(join(dist, name), join(protocol, 'index.js'));
  }
}

async function bundle(output: OutputOptions): Promise<void> {
  const input = join(import.meta.dirname, 'src/index.ts');
  // Nothing in the client or the protocol works by being imported alone.
  const build = await rolldown({ input, platform: 'browser', treeshake: { moduleSideEffects: false } });
  await build.write({ format: 'esm', ...output });
  await build.close();
}

async function bringAlong(file: string, protocol: string): Promise<void> {
  const path = relative(dirname(file), protocol);
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replaceAll("'@polycast/protocol'", `'${path.startsWith('.') ? path : `./${path}`}'`));
}

/**
 * Members of the client's own objects, which neither the wire, nor the platform, nor an application, nor another tab ever
 * sees: they may have shorter names. None of them is the name of an input, or looked up by a text. The tests run the bundle
 * as well.
 */
const INTERNAL_NAMES = [
  // The machine's state, members, phases and moments.
  ...[
    'attempts',
    'chance',
    'channelsMax',
    'effects',
    'failures',
    'gapTo',
    'heldEventsMax',
    'held',
    'hintMs',
    'kind',
    'lagging',
  ],
  ...[
    'members',
    'mode',
    'nowMs',
    'phase',
    'position',
    'probeAtMs',
    'probes',
    'proven',
    'renewed',
    'rest',
    'retryAtMs',
    'settings',
  ],
  ...[
    'since',
    'sinceMs',
    'singly',
    'stable',
    'start',
    'strikes',
    'successor',
    'tokenRenewable',
    'untilMs',
    'wasLive',
    'wokeLateMs',
  ],
  // What passes between the files.
  ...[
    'ask',
    'asked',
    'cut',
    'deliver',
    'dispatch',
    'ending',
    'feed',
    'isReady',
    'keep',
    'limit',
    'means',
    'member',
    'onClose',
  ],
  ...[
    'onEffect',
    'onError',
    'onPhase',
    'onRoom',
    'onStep',
    'openers',
    'pauseMs',
    'recall',
    'result',
    'retryMs',
    'save',
    'sinks',
  ],
  ...['target', 'waitSeconds'],
];

if (import.meta.main) await buildClient();
