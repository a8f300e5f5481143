import type { Log, LogErasing, LogState, SharedLog, StoredRecord, TrimOrder } from '../../core/ports.ts';
import type { FollowerLinks } from '../../processes/follower-links.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import { decodeBatch } from '../shared/batch-codec.ts';
import { encodeEvents } from './event-messages.ts';

/**
 * An erasure goes on after this time. A follower that is behind drops the events before
 * it reads on.
 */
const FOLLOWERS_TIMEOUT_MS = 2000;

/** What a follower receives about the log beside its events. */
export interface LogStatus {
  readonly unavailable: LogState['unavailable'] | null;
  /** The number of channels, for the limit of channels. */
  readonly channels: number;
  /** How the owner is in its cluster. */
  readonly notReadyReason: Log['notReadyReason'] | null;
  readonly problems: readonly string[];
}

/** The arguments of a trim. */
export interface Trim {
  readonly orders: readonly TrimOrder[];
  readonly nowMs: number;
}

/**
 * The owner's log: it appends what the followers publish, and sends them every commit. The events
 * of a commit are encoded once for all followers. They leave before the answers to their
 * publishers, so a publisher finds its event at its own process immediately.
 */
export function followedLog(log: Log, followers: FollowerLinks): Log {
  const stopSending = followers.keepSending('log', () => statusOf(log));
  followers.on('append', async (_link, batch) => encodeJson(await log.append([...decodeBatch(new Uint8Array(batch))])));
  followers.on('channels', async (_link, query) => encodeJson(await log.channels(decodeJson(query))));
  followers.on('trim', async (_link, body) => {
    const { orders, nowMs } = decodeJson<Trim>(body);
    return encodeJson(await log.trim(orders, nowMs));
  });
  const erasing: LogErasing = {
    async erase(order) {
      const erased = await log.erasing.erase(order);
      await followers.ask('erased', encodeJson(order.positions), FOLLOWERS_TIMEOUT_MS);
      return erased;
    },
    overwrite: () => log.erasing.overwrite(),
  };
  followers.on('erase', async (_link, order) => encodeJson(await erasing.erase(decodeJson(order))));
  followers.on('overwrite', async () => encodeJson(await erasing.overwrite()));
  // All commits of this moment are on their way already, so the follower has them with the answer.
  followers.on('reach', (_link, cursor) => log.reach?.(decodeJson(cursor)));
  return {
    get state() {
      return log.state;
    },
    ...(log.reach !== undefined && { reach: log.reach.bind(log) }),
    ...(log.shared !== undefined && { shared: followedSharedLog(log.shared, followers) }),
    get notReadyReason() {
      return log.notReadyReason;
    },
    get problems() {
      return log.problems ?? [];
    },
    ...(log.memoryUsage !== undefined && { memoryUsage: log.memoryUsage }),
    append: (records) => log.append(records),
    follow(listener) {
      log.follow((records: readonly StoredRecord[]) => {
        if (followers.count > 0) followers.broadcast('events', encodeEvents(records));
        listener(records);
      });
    },
    read: (query) => log.read(query),
    count: (query) => log.count(query),
    channels: (query) => log.channels(query),
    trim: (orders, nowMs) => log.trim(orders, nowMs),
    erasing,
    ...(log.check !== undefined && { check: log.check.bind(log) }),
    stats: () => log.stats(),
    close() {
      stopSending();
      return log.close();
    },
  };
}

function statusOf(log: Log): LogStatus {
  return {
    unavailable: log.state.unavailable ?? null,
    channels: log.stats()['channels'] ?? 0,
    notReadyReason: log.notReadyReason ?? null,
    problems: log.problems ?? [],
  };
}

/**
 * The log that the owner shares with other hubs. Its followers get the events of all hubs, and drop
 * what any hub erases.
 */
function followedSharedLog(shared: SharedLog, followers: FollowerLinks): SharedLog {
  return {
    onTrimmed: (listener) => shared.onTrimmed(listener),
    followPacked(listener, hasReaders = () => true) {
      shared.followPacked(
        (events) => {
          if (followers.count === 0) return listener(events);
          const records = events.unpack();
          followers.broadcast('events', encodeEvents(records));
          // What nobody reads stays packed.
          listener(hasReaders() ? { ...events, unpack: () => records } : events);
        },
        () => followers.count > 0 || hasReaders(),
      );
    },
    onErased: (listener) =>
      shared.onErased({
        events(positions) {
          listener.events(positions);
          followers.broadcast('erased', encodeJson(positions));
        },
        names: (user) => listener.names(user),
      }),
    get isTrimmer() {
      return shared.isTrimmer;
    },
    get silentMs() {
      return shared.silentMs;
    },
    reachNewest: () => shared.reachNewest(),
    others: shared.others,
    onReset: (listener) =>
      shared.onReset(() => {
        // They keep their clients, and follow the log that is opened next.
        followers.close();
        listener();
      }),
    onHubCloses: () => shared.onHubCloses(),
    inspect: () => shared.inspect(),
  };
}
