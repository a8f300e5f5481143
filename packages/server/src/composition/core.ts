import { createHash } from 'node:crypto';
import type { Config } from '../config/parse.ts';
import { eventTypesOf } from '../config/event-schema.ts';
import { ChannelRules } from '../core/access/channel-rules.ts';
import { withSystemRules } from '../core/access/system-rules.ts';
import type { EventTypes } from '../core/events/event-types.ts';
import { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import { Publisher } from '../core/publish.ts';
import { YoungGarbage } from '../platform/young-garbage.ts';
import { createBodyEncoder } from '../storage/shared/body-encoder.ts';
import type { HubBase } from './base.ts';
import { channelRule, channelSettings } from './channel-rules.ts';
import type { HubProcesses } from './processes/hub-processes.ts';

/** The path of an event between publishers and readers. */
export interface CorePart {
  readonly log: Log;
  readonly rules: ChannelRules;
  readonly eventTypes: EventTypes;
  readonly feed: Feed;
  readonly publisher: Publisher;
}

/**
 * Memory for the interests of readers. The bound has room for several ordinary interests per
 * possible connection.
 */
const INTERESTS_BYTES_MIN = 64 * 1024 * 1024;
const INTEREST_BYTES_PER_CONNECTION = 8192;

/**
 * A large event leaves four buffers of its size: the read of its socket, its body, the message to
 * the log, and its frames.
 */
const BUFFERS_PER_EVENT = 4;
const COLLECTIONS_INTERVAL_MS = 250;

export function createCore(
  { config, world: { clock }, metrics, reloader }: HubBase,
  log: Log,
  processes: HubProcesses | undefined,
): CorePart {
  const { delivery, limits } = config;
  const rules = new ChannelRules(...channelRules(config));
  const garbage = new YoungGarbage(COLLECTIONS_INTERVAL_MS);
  const feed = new Feed(log, {
    ...delivery,
    ...interestBounds(config),
    isLatestOnly: (channel) => rules.settingsFor(channel).retain === 'latest',
    isStored: (channel) => rules.settingsFor(channel).retain === 'history',
    onCopied: (bytes) => garbage.add(bytes * BUFFERS_PER_EVENT),
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
    onDelivered: (records) => {
      const [first] = records;
      if (first !== undefined) metrics.observe('publishToWrite', clock.nowMs() - first.timeMs);
    },
  });
  if (log.shared !== undefined) {
    const cache = processes?.trimmedCache(feed) ?? feed;
    log.shared.onTrimmed((orders) => cache.onTrimmed(orders, clock.nowMs()));
  }
  const eventTypes = eventTypesOf(config.eventTypes);
  const publisher = new Publisher(log, rules, clock, {
    ...limits,
    eventTypes,
    encode: createBodyEncoder(),
    fingerprint: (text) => createHash('sha256').update(text).digest('base64url'),
    onAppended: (durationMs) => metrics.observe('publishToDurable', durationMs),
  });
  reloader.add((next) => () => {
    rules.replace(...channelRules(next));
    feed.reconfigure(interestBounds(next));
    publisher.setLimits(next.limits);
  });
  return { log, rules, eventTypes, feed, publisher };
}

/** The rules of a configuration, with those of the hub's own channels, and the defaults. */
function channelRules({ rules, defaults }: Config): ConstructorParameters<typeof ChannelRules> {
  return [withSystemRules(rules.map(channelRule)), channelSettings(defaults)];
}

function interestBounds({ limits: { connectionsMax } }: Config): { readonly interestsBytesMax: number } {
  return { interestsBytesMax: INTERESTS_BYTES_MIN + connectionsMax * INTEREST_BYTES_PER_CONNECTION };
}
