/**
 * The short names of the bundles. The wire, the platform, applications and other tabs never see
 * what has one. Two names share a letter when no object has both: `heldEvents` of a subscription
 * and `rest` of a phase. So the few letters are frequent, and gzip gives them few bits. The test of
 * this file checks the lists against the types.
 */

/** The letters that bundlers give to variables as well, the most frequent first. */
const LETTERS = 'nertoilsaufdcphmgbvwykxjzq';

/**
 * The members with short names, by the object that has them. The order of each list is the one that
 * compresses best.
 */
export const MEMBERS = {
  message: [
    'kind',
    'attempt',
    'result',
    'eventsMax',
    'hintMs',
    'start',
    'capacity',
    'pollNumber',
    'request',
    'message',
    'phase',
    'ending',
  ],
  draft: [
    'effects',
    'subscriptions',
    'phase',
    'nowMs',
    'provenFailures',
    'settings',
    'hintMs',
    'position',
    'failures',
    'retriedWithNewToken',
    'oneByOne',
    'probes',
    'provenTransport',
    'chance',
    'attempts',
  ],
  phase: [
    'successor',
    'attempt',
    'kind',
    'untilMs',
    'resumesFrom',
    'rest',
    'probeAtMs',
    'lingerUntilMs',
    'stable',
    'sinceMs',
    'isProbe',
  ],
  subscription: [
    'heldEvents',
    'catchUpThrough',
    'start',
    'mode',
    'retryAtMs',
    'wasLive',
    'lagging',
    'kind',
    'pollNumber',
    'gapTo',
    'capacity',
    'matcher',
  ],
  settings: ['channelsMax', 'tokenRenewable', 'lingerMs', 'heldEventsMax', 'sleepThresholdMs'],
  driverOptions: ['hub', 'onPhase', 'onEffect', 'openers', 'onStep', 'settings'],
  driver: ['dispatch', 'sendOperation', 'consumerQueues'],
  openAttempt: ['pendingAnswers'],
  publisherOptions: ['hub', 'settings', 'sendOperation'],
  consumerQueue: ['deliver', 'capacity', 'markJoined'],
  consumerQueueOptions: ['handler', 'onCapacity', 'onError', 'options', 'onClose'],
  hub: ['tokens', 'url'],
  endedError: ['ending'],
  tokens: ['refuse', 'onError'],
  pollOptions: ['eventsMax', 'waitSeconds'],
  cursorStore: ['load', 'store', 'save'],
  frame: ['retryMs', 'kind'],
  parser: ['feed'],
  parserOptions: ['onIgnored', 'messageBytesMax'],
} as const;

/**
 * The texts with short forms, by the type that has them. Those of inputs are also the members of
 * the machine's table. A text that is also a message of the hub, or that applications see, has
 * none: `ready`, `ended`, `refused`.
 */
export const TEXTS = {
  input: ['ended', 'hint', 'tick', 'attached', 'polled', 'drained', 'answer', 'network'],
  effect: ['catch-up', 'remove', 'drop', 'failed', 'attach', 'joined', 'deliver', 'refuse', 'renew'],
  ending: ['lost'],
  mode: ['behind', 'full', 'joining', 'attaching', 'live'],
  afterClose: ['reconnect', 'stop', 'back-off'],
} as const;

/** Gives each name the first letter that no other name of its lists has. */
function shorten(lists: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  const letters: Record<string, string> = {};
  const all = Object.values(lists);
  for (const name of all.flat()) {
    const taken = new Set(all.flatMap((list) => (list.includes(name) ? list.map((other) => letters[other]) : [])));
    letters[name] ??= [...LETTERS].find((letter) => !taken.has(letter)) as string;
  }
  return letters;
}

/** The short form of each text. */
export const SHORT_TEXTS: Readonly<Record<string, string>> = shorten(TEXTS);

/** The short name of each member. */
export const SHORT_MEMBERS: Readonly<Record<string, string>> = {
  ...shorten(MEMBERS),
  ...Object.fromEntries(TEXTS.input.map((kind) => [kind, SHORT_TEXTS[kind] as string])),
};
