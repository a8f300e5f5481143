import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** Where the hub finds what it serves at `/client.js`. */
export const CLIENT_BUNDLE: string = join(import.meta.dirname, 'generated/client.js');

/** Bundles the client and what it uses of `@polycast/protocol` into one minified module without any import. */
export async function buildClient(file: string = CLIENT_BUNDLE): Promise<void> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'src/index.ts'),
    platform: 'browser',
    // Nothing in the client or the protocol works by being imported alone.
    treeshake: { moduleSideEffects: false },
  });
  await bundle.write({
    file,
    format: 'esm',
    comments: false,
    minify: { mangleProps: { include: new RegExp(`^(?:${INTERNAL_NAMES.join('|')})$`) } },
  });
  await bundle.close();
}

/**
 * Members of the client's own objects, which neither the wire, nor the platform, nor an application ever sees: they may have
 * shorter names. The tests run the bundle against a hub, too.
 */
const INTERNAL_NAMES = [
  // The machine's state, members, phases and moments.
  ...['attempts', 'believedRoom', 'chance', 'effects', 'failures', 'gapTo', 'group', 'heldEventsMax', 'hintMs', 'held'],
  ...['lagging', 'members', 'nowMs', 'pollsPast', 'position', 'probeAtMs', 'probes', 'proven', 'renewed', 'retryAtMs'],
  ...[
    'settings',
    'sinceMs',
    'since',
    'singly',
    'stable',
    'strikes',
    'successor',
    'tokenRenewable',
    'untilMs',
    'wasLive',
  ],
  ...['wokeLateMs', 'channelsMax', 'phase', 'mode', 'rest'],
  // What passes between the files.
  ...['asked', 'ask', 'carryOut', 'deliver', 'dispatch', 'ending', 'limit', 'means', 'onClose', 'onEffect', 'onError'],
  ...[
    'onPhase',
    'onRoom',
    'onStep',
    'openers',
    'pauseMs',
    'recall',
    'save',
    'sinks',
    'target',
    'timeoutMs',
    'waitSeconds',
  ],
  ...['cut', 'member', 'keep', 'feed', 'retryMs', 'isReady', 'kind', 'retryAfterMs', 'start'],
];

if (import.meta.main) await buildClient();
