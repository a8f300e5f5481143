/**
 * The stages of closing, in their order. Each part closes before the parts that it needs.
 * Example: the subscriptions close before the log, because they record the outcomes of their
 * requests in flight. The sockets close after the log, so that publishes in flight are answered.
 * The sessions have closed some turns later, and the journal after them records how they ended.
 */
const STAGES = [
  'requests',
  'announcements',
  'tasks',
  'connections',
  'dialects',
  'subscriptions',
  'presence',
  'log',
  'sockets',
  'sessions',
  'outgoing',
  'telemetry',
  'site',
  'identity',
  'storage',
] as const;

export type ShutdownStage = (typeof STAGES)[number];

/** Longer than each part gives its clients, endpoints or brokers when it closes. */
const LONG_MS = 12_000;

/**
 * The state of a hub and how it ends. Each part registers its closing when it opens, so a hub that
 * is only half opened closes what it has.
 */
export class Shutdown {
  #state: 'open' | 'draining' | 'closed' = 'open';
  readonly #closers: { readonly stage: ShutdownStage; close(): void | Promise<void> }[] = [];
  readonly #onDrain: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  readonly #onLong: (stage: ShutdownStage) => void;

  /** @param onLong called when a part of the stage takes long to close, and again while it does */
  constructor(onLong: (stage: ShutdownStage) => void = () => undefined) {
    this.#onLong = onLong;
  }

  /** `draining` from the start of a drain or of the closing, `closed` after the closing. */
  get state(): 'open' | 'draining' | 'closed' {
    return this.#state;
  }

  /** Registers the closing of a part. Within a stage, parts close in the order of registration. */
  add(stage: ShutdownStage, close: () => void | Promise<void>): void {
    this.#closers.push({ stage, close });
  }

  /** Calls the listener when a drain begins, or the closing without one. */
  onDrain(listener: () => void): void {
    this.#onDrain.push(listener);
  }

  drain(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    for (const listener of this.#onDrain) listener();
  }

  /** Closes all parts, once. */
  close(): Promise<void> {
    this.#closing ??= this.#closeStages();
    return this.#closing;
  }

  async #closeStages(): Promise<void> {
    this.drain();
    for (const stage of STAGES)
      for (const closer of this.#closers.filter((each) => each.stage === stage)) {
        const timer = setInterval(() => this.#onLong(stage), LONG_MS);
        timer.unref();
        try {
          await closer.close();
        } finally {
          clearInterval(timer);
        }
      }
    this.#state = 'closed';
  }
}
