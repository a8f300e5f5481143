import { matches } from '@polycast/protocol';
import { USER_TOKEN } from '../core/access/pattern-relation.ts';
import { openPresenceStore } from '../storage/sqlite/presence/presence-store.ts';
import { PresenceTask, type PresenceParts } from './presence-task.ts';

/** What a configuration says of presence. */
export interface PresenceConfiguration {
  /** A folder, or `:memory:`. */
  readonly data: string;
  readonly presence: {
    readonly graceSeconds: number;
    readonly pollSeconds: number;
    readonly listedMax: number;
    readonly systemEvents: boolean;
  };
  readonly limits: { readonly connectionsMax: number };
  readonly rules: readonly { readonly pattern: string; readonly presence?: unknown }[];
  readonly defaults: { readonly presence?: unknown };
}

/** Presence as it is configured; the data folder must be this process's own, and open. */
export function openPresence(
  { data, limits, presence, rules, defaults }: PresenceConfiguration,
  parts: Omit<PresenceParts, 'settings' | 'isTracked' | 'store'>,
): PresenceTask {
  const patterns = rules
    .filter((rule) => rule.presence !== undefined)
    .map(({ pattern }) => pattern.replace(USER_TOKEN, '*'));
  const isUsed = patterns.length > 0 || defaults.presence !== undefined || presence.systemEvents;
  return new PresenceTask({
    ...parts,
    settings: {
      graceMs: presence.graceSeconds * 1000,
      pollGraceMs: presence.pollSeconds * 1000,
      listedMax: presence.listedMax,
      systemEvents: presence.systemEvents,
      newChannelsPerSecond: NEW_CHANNELS_PER_SECOND,
      newChannelsBurst: NEW_CHANNELS_BURST,
      membersBytesMax: MEMBERS_BYTES_MIN + limits.connectionsMax * MEMBERS_BYTES_PER_CONNECTION,
      userMembersBytesMax: USER_MEMBERS_BYTES_MAX,
      infosBytesMax: INFOS_BYTES_MAX,
    },
    isTracked: (channel) => defaults.presence !== undefined || patterns.some((pattern) => matches(pattern, channel)),
    store: isUsed && data !== ':memory:' ? openPresenceStore(data, parts.log.state.epoch) : undefined,
  });
}

/**
 * A channel of presence stays in the log for two hours after its last event: an hour until the event is too old, and one until its
 * name is forgotten. So at this rate there are 380,000 of them at most, of the million that the log takes.
 */
const NEW_CHANNELS_PER_SECOND = 50;
const NEW_CHANNELS_BURST = 20_000;

/** Members of channels: for each connection there may be as much as eight ordinary ones take. */
const MEMBERS_BYTES_MIN = 64 * 1024 * 1024;
const MEMBERS_BYTES_PER_CONNECTION = 8192;
/** A hundred connections with a hundred channels each, all of them different. */
const USER_MEMBERS_BYTES_MAX = 16 * 1024 * 1024;
/** What is shown of users: of 50,000 users with a name and a picture each. */
const INFOS_BYTES_MAX = 64 * 1024 * 1024;
