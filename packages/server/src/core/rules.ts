import { matches } from '@polycast/protocol';
import type { EventTypeCheck } from './event-types.ts';
import type { Retain } from './ports.ts';

/** What holds for a channel; `undefined` stands for "no bound". */
export interface ChannelSettings {
  readonly retain: Retain;
  readonly historyCountMax: number | undefined;
  readonly historyAgeMaxMs: number | undefined;
  readonly historyBytesMax: number | undefined;
  /** Of the event's JSON, without its id. */
  readonly eventBytesMax: number;
  readonly publishRatePerSecond: number | undefined;
  /** How many events may come at once when the rate allows fewer. */
  readonly publishBurst: number;
  /** The same for each user, or, where it is not known who publishes, for each address. */
  readonly userPublishRatePerSecond: number | undefined;
  readonly userPublishBurst: number;
  /** Whether what is published is held against the catalogue of event types; absent: it is not. */
  readonly eventTypeCheck?: EventTypeCheck;
}

export type Rule = { readonly pattern: string } & {
  readonly [Setting in keyof ChannelSettings]?: ChannelSettings[Setting];
};

const MEMO_MAX = 20_000;

/** What holds for which channel: each setting from the first rule that covers the channel and sets it, else the default. */
export class Rules {
  readonly #rules: readonly Rule[];
  readonly #defaults: ChannelSettings;
  readonly #memo = new Map<string, ChannelSettings>();

  constructor(rules: readonly Rule[], defaults: ChannelSettings) {
    this.#rules = rules;
    this.#defaults = defaults;
  }

  of(channel: string): ChannelSettings {
    if (this.#rules.length === 0) return this.#defaults;
    let settings = this.#memo.get(channel);
    if (settings === undefined) {
      settings = this.#work(channel);
      if (this.#memo.size >= MEMO_MAX) this.#memo.clear();
      this.#memo.set(channel, settings);
    }
    return settings;
  }

  #work(channel: string): ChannelSettings {
    let settings: ChannelSettings = this.#defaults;
    // From the last rule to the first, so that the first that sets a thing has the last word.
    for (const { pattern, ...set } of this.#rules.toReversed()) {
      if (matches(pattern, channel)) settings = { ...settings, ...set };
    }
    return settings;
  }
}
