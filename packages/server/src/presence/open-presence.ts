import { matches } from '@polycast/protocol';
import { USER_TOKEN } from '../core/access/pattern-relation.ts';
import { NO_PRESENCE_STORE, type PresenceStore } from '../core/presence/presence-store.ts';
import { PresenceTask, type PresenceParts, type PresenceService } from './presence-task.ts';

/** The settings that presence uses. */
export interface PresenceConfiguration {
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

/**
 * Creates presence from the configuration.
 * @param openStore called only if a rule uses presence: otherwise the data folder gets no file
 * @param openShared creates the presence of a cluster, where a rule uses it
 */
export function openPresence(
  { limits, presence, rules, defaults }: PresenceConfiguration,
  openStore: () => PresenceStore,
  parts: Omit<PresenceParts, 'settings' | 'isTracked' | 'store'>,
  openShared?: (parts: PresenceParts) => PresenceService,
): PresenceService {
  const patterns = rules
    .filter((rule) => rule.presence !== undefined)
    .map(({ pattern }) => pattern.replace(USER_TOKEN, '*'));
  const isUsed = patterns.length > 0 || defaults.presence !== undefined || presence.systemEvents;
  const all: PresenceParts = {
    ...parts,
    settings: {
      ...presence,
      graceMs: presence.graceSeconds * 1000,
      pollGraceMs: presence.pollSeconds * 1000,
      newChannelsPerSecond: NEW_CHANNELS_PER_SECOND,
      newChannelsBurst: NEW_CHANNELS_BURST,
      membersBytesMax: membersBytesMax(limits),
      userMembersBytesMax: USER_MEMBERS_BYTES_MAX,
      infosBytesMax: INFOS_BYTES_MAX,
    },
    isTracked: (channel) => defaults.presence !== undefined || patterns.some((pattern) => matches(pattern, channel)),
    store: isUsed ? openStore() : NO_PRESENCE_STORE,
  };
  return isUsed && openShared !== undefined ? openShared(all) : new PresenceTask(all);
}

/** The bound on the memory of members. */
export function membersBytesMax({ connectionsMax }: PresenceConfiguration['limits']): number {
  return MEMBERS_BYTES_MIN + connectionsMax * MEMBERS_BYTES_PER_CONNECTION;
}

/**
 * The log has a channel of presence for two hours after its last event. The event expires after one
 * hour, and the log removes the name after another. At this rate that is at most 380,000 of the
 * log's million channels.
 */
const NEW_CHANNELS_PER_SECOND = 50;
const NEW_CHANNELS_BURST = 20_000;

/**
 * The bounds on members of channels. Each connection of `limits.connectionsMax` adds the memory of
 * about eight ordinary members.
 */
const MEMBERS_BYTES_MIN = 64 * 1024 * 1024;
const MEMBERS_BYTES_PER_CONNECTION = 8192;
/** Enough for 100 connections with 100 channels each, all of them different. */
const USER_MEMBERS_BYTES_MAX = 16 * 1024 * 1024;
/** The bound on users' `info`: enough for 50,000 users with a name and a picture each. */
const INFOS_BYTES_MAX = 64 * 1024 * 1024;
