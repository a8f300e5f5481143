import { matches } from '@polycast/protocol';
import type { EventTypeCheck } from '../events/event-types.ts';
import { BoundedCache } from '../primitives/bounded-cache.ts';
import type { Retain } from '../ports.ts';
import { RuleIndex } from './rule-index.ts';

/** The settings of a channel. `undefined`: no bound. */
export interface ChannelSettings {
  readonly retain: Retain;
  readonly historyCountMax: number | undefined;
  readonly historyAgeMaxMs: number | undefined;
  readonly historyBytesMax: number | undefined;
  /** Bytes of the event's JSON, without its id. */
  readonly eventBytesMax: number;
  readonly publishRatePerSecond: number | undefined;
  /** The number of events that may come at once. */
  readonly publishBurst: number;
  /** The same limits for each user, or for each address of anonymous clients. */
  readonly userPublishRatePerSecond: number | undefined;
  readonly userPublishBurst: number;
  /** The check of published events against the catalogue of event types. Absent: no check. */
  readonly eventTypeCheck?: EventTypeCheck;
}

export type Rule = { readonly pattern: string } & {
  readonly [Setting in keyof ChannelSettings]?: ChannelSettings[Setting];
};

/** The default burst of a rate: the events of two seconds. */
export function defaultBurst(perSecond: number | null | undefined): number {
  return Math.max(1, 2 * (perSecond ?? 1));
}

/** Bytes: some 30,000 channels with names of ordinary length. */
const SETTINGS_CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** Memory of a channel's settings. */
const SETTINGS_BYTES = 160;

/**
 * Finds the settings of a channel. Each setting comes from the first rule that covers the channel
 * and has the setting, else from the defaults.
 * Example: with the rules `prices.>` (`retain: latest`) and `>` (`historyCountMax: 100`),
 * `prices.eur` has both settings.
 */
export class ChannelRules {
  #rules: RuleIndex<Rule> | undefined;
  #defaults: ChannelSettings;
  #cache: BoundedCache<ChannelSettings>;

  constructor(rules: readonly Rule[], defaults: ChannelSettings) {
    this.#rules = indexOf(rules);
    this.#defaults = defaults;
    this.#cache = createCache();
  }

  /** Replaces all rules. The next publish to a channel obeys the new ones. */
  replace(rules: readonly Rule[], defaults: ChannelSettings): void {
    this.#rules = indexOf(rules);
    this.#defaults = defaults;
    this.#cache = createCache();
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

/** From the last rule to the first, so that the first rule with a setting overrides later ones. */
function indexOf(rules: readonly Rule[]): RuleIndex<Rule> | undefined {
  return rules.length === 0 ? undefined : new RuleIndex(rules.toReversed());
}

function createCache(): BoundedCache<ChannelSettings> {
  return new BoundedCache(SETTINGS_CACHE_BYTES_MAX, () => SETTINGS_BYTES);
}
