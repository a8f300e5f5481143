import { SLOWEST_MAX, type HubStatus } from './hub-status.ts';

/**
 * The status of a hub of several processes: that of the owner, with the work and the durations of
 * the followers added. The owner's counts of sessions and subscriptions have those of all
 * processes already.
 * @param silent the process ids of followers that did not answer
 */
export function mergeStatus(owner: HubStatus, followers: readonly HubStatus[], silent: readonly number[]): HubStatus {
  const all = [owner, ...followers];
  const sum = (read: (status: HubStatus) => number): number => all.reduce((total, status) => total + read(status), 0);
  const delivered = Object.entries(owner.delivered).map(([transport]) => [
    transport,
    sum((status) => (status.delivered as Record<string, number>)[transport] ?? 0),
  ]);
  return {
    ...owner,
    published: {
      events: sum(({ published }) => published.events),
      bytes: sum(({ published }) => published.bytes),
      refused: sum(({ published }) => published.refused),
      failed: sum(({ published }) => published.failed),
    },
    delivered: Object.fromEntries(delivered) as HubStatus['delivered'],
    readers: {
      ...owner.readers,
      count: sum(({ readers }) => readers.count),
      lagEventsMax: Math.max(...all.map(({ readers }) => readers.lagEventsMax)),
      slowest: all
        .flatMap(({ readers }) => readers.slowest)
        .toSorted((one, other) => other.lagEvents - one.lagEvents)
        .slice(0, SLOWEST_MAX),
    },
    log: {
      ...owner.log,
      queueBytes: sum(({ log }) => log.queueBytes),
      queueBytesMax: sum(({ log }) => log.queueBytesMax),
    },
    latency: {
      publishToDurable: mergeDistributions(all.map(({ latency }) => latency.publishToDurable)),
      publishToWrite: mergeDistributions(all.map(({ latency }) => latency.publishToWrite)),
      webhook: mergeDistributions(all.map(({ latency }) => latency.webhook)),
      eventLoopDelay: mergeDistributions(all.map(({ latency }) => latency.eventLoopDelay)),
    },
    limits: { ...owner.limits, connectionsMax: sum(({ limits }) => limits.connectionsMax) },
    processes: all.map(({ process, uptimeSeconds, latency: { eventLoopDelay } }, index) => ({
      ...process,
      role: index === 0 ? ('owner' as const) : ('follower' as const),
      uptimeSeconds,
      eventLoopDelay,
    })),
    processesSilent: [...silent],
  };
}

type Distribution = HubStatus['latency']['webhook'];

/** All processes have the same buckets. */
function mergeDistributions(all: readonly Distribution[]): Distribution {
  const bucketsSeconds = all[0]?.bucketsSeconds ?? [];
  const lengthMax = Math.max(...all.map(({ counts }) => counts.length));
  const counts = Array.from({ length: lengthMax }, (_, index) =>
    all.reduce((total, distribution) => total + (distribution.counts[index] ?? 0), 0),
  );
  return { bucketsSeconds, counts };
}
