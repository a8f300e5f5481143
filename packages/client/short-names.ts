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
    ...['kind', 'attempt', 'ending', 'request', 'hintMs', 'start', 'capacity', 'pollNumber', 'result'],
    ...['eventsMax', 'phase', 'message'],
  ],
  draft: [
    ...['effects', 'subscriptions', 'nowMs', 'retriedWithNewToken', 'settings', 'position', 'attempts'],
    ...['chance', 'oneByOne', 'phase', 'hintMs', 'provenTransport', 'provenFailures', 'probes', 'failures'],
  ],
  phase: [
    ...['successor', 'untilMs', 'resumesFrom', 'rest', 'probeAtMs', 'sinceMs', 'attempt', 'stable', 'lingerUntilMs'],
    ...['kind', 'isProbe'],
  ],
  subscription: [
    ...['heldEvents', 'capacity', 'mode', 'retryAtMs', 'start', 'catchUpThrough', 'wasLive', 'lagging'],
    ...['matcher', 'pollNumber', 'kind', 'gapTo'],
  ],
  settings: ['sleepThresholdMs', 'lingerMs', 'heldEventsMax', 'tokenRenewable', 'channelsMax'],
  driverOptions: ['hub', 'onPhase', 'settings', 'openers', 'onEffect', 'onStep'],
  driver: ['sendOperation', 'dispatch', 'consumerQueues'],
  openAttempt: ['pendingAnswers'],
  publisherOptions: ['sendOperation', 'settings', 'hub'],
  consumerQueue: ['deliver', 'capacity', 'markJoined'],
  consumerQueueOptions: ['handler', 'onError', 'options', 'onCapacity', 'onClose'],
  hub: ['tokens', 'url'],
  endedError: ['ending'],
  tokens: ['refuse', 'onError'],
  pollOptions: ['waitSeconds', 'eventsMax'],
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
  input: ['tick', 'hint', 'polled', 'attached', 'network', 'answer', 'drained'],
  effect: ['joined', 'drop', 'deliver', 'failed', 'refuse', 'catch-up', 'remove', 'attach', 'renew'],
  ending: ['lost'],
  mode: ['behind', 'joining', 'full', 'attaching', 'live'],
  afterClose: ['reconnect', 'back-off', 'stop'],
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
