import { matches } from '@polycast/protocol';
import type { EventTypeCheck } from '../events/event-types.ts';
import { BoundedCache } from '../primitives/bounded-cache.ts';
import type { Retain } from '../ports.ts';
import { RuleIndex } from './rule-index.ts';

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

/** What holds for some 30,000 channels with names of an ordinary length. */
const SETTINGS_CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** Settings of a channel, as an object. */
const SETTINGS_BYTES = 160;

/** What holds for which channel: each setting from the first rule that covers the channel and sets it, else the default. */
export class ChannelRules {
  readonly #rules: RuleIndex<Rule> | undefined;
  readonly #defaults: ChannelSettings;
  readonly #cache = new BoundedCache<ChannelSettings>(SETTINGS_CACHE_BYTES_MAX, () => SETTINGS_BYTES);

  constructor(rules: readonly Rule[], defaults: ChannelSettings) {
    // From the last rule to the first, so that the first that sets a thing has the last word.
    this.#rules = rules.length === 0 ? undefined : new RuleIndex(rules.toReversed());
    this.#defaults = defaults;
  }

  settingsFor(channel: string): ChannelSettings {
    if (this.#rules === undefined) return this.#defaults;
    let settings = this.#cache.get(channel);
    if (settings === undefined) this.#cache.set(channel, (settings = this.#resolve(channel, this.#rules)));
    return settings;
  }

  #resolve(channel: string, rules: RuleIndex<Rule>): ChannelSettings {
    let settings: ChannelSettings = this.#defaults;
    for (const { pattern, ...set } of rules.candidatesFor(channel)) {
      if (matches(pattern, channel)) settings = { ...settings, ...set };
    }
    return settings;
  }
}
