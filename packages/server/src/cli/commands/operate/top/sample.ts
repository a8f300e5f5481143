import type { HubStatus } from '../../../../operate/hub-status.ts';
import { difference, quantileMs, type Distribution } from './quantile.ts';

/**
 * One sample of `polycast top`: the rates between two statuses of a hub, and the rest of the later
 * one. Example: 1,000 events published between two statuses one second apart are
 * `in.eventsPerSecond: 1000`.
 */
export interface TopSample extends Pick<
  HubStatus,
  'time' | 'ready' | 'why' | 'problems' | 'version' | 'uptimeSeconds' | 'sessions'
> {
  readonly intervalSeconds: number;
  readonly in: {
    readonly eventsPerSecond: number;
    readonly bytesPerSecond: number;
    readonly refusedPerSecond: number;
    readonly failedPerSecond: number;
  };
  readonly out: { readonly eventsPerSecond: number };
  readonly connectionsMax: number;
  /** Of the durations in the interval; null without any. */
  readonly latencyMs: Readonly<Record<keyof HubStatus['latency'], Quantiles>>;
  readonly lag: {
    readonly readerEventsMax: number;
    readonly subscriptionEventsMax: number;
    readonly subscriptionSecondsMax: number;
    readonly queueBytes: number;
  };
  readonly webhooks: {
    readonly deliveredPerSecond: number;
    readonly failedPerSecond: number;
    readonly retriesPerSecond: number;
    readonly inFlight: number;
    readonly waiting: number;
  };
  readonly subscriptions: Readonly<Record<string, number>>;
  readonly process: {
    readonly residentBytes: number;
    /** 1 is one core. */
    readonly cpuShare: number;
    readonly openFiles: number | null;
    readonly openFilesMax: number | null;
  };
  readonly disk: HubStatus['storage'];
  readonly slowConsumers: HubStatus['readers']['slowest'];
  readonly failingEndpoints: HubStatus['subscriptions']['failing'];
}

export interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** @param earlier `undefined`, or of a hub that has restarted since: rates are since its start */
export function sampleOf(later: HubStatus, earlier: HubStatus | undefined): TopSample {
  const before = earlier?.started === later.started ? earlier : undefined;
  const sinceMs = Date.parse(before?.time ?? later.started);
  const intervalSeconds = Math.max(0.001, (Date.parse(later.time) - sinceMs) / 1000);
  const rate = (read: (status: HubStatus) => number): number =>
    (read(later) - (before === undefined ? 0 : read(before))) / intervalSeconds;
  const { time, ready, why, problems, version, uptimeSeconds, sessions } = later;
  return {
    ...{ time, intervalSeconds, ready, why, problems, version, uptimeSeconds, sessions },
    in: {
      eventsPerSecond: rate(({ published }) => published.events),
      bytesPerSecond: rate(({ published }) => published.bytes),
      refusedPerSecond: rate(({ published }) => published.refused),
      failedPerSecond: rate(({ published }) => published.failed),
    },
    out: { eventsPerSecond: rate(({ delivered }) => sum(delivered)) },
    connectionsMax: later.limits.connectionsMax,
    latencyMs: latencies(later, before),
    lag: lagOf(later),
    webhooks: {
      deliveredPerSecond: rate(({ webhooks }) => webhooks.requests['delivered'] ?? 0),
      failedPerSecond: rate(({ webhooks }) => sum(webhooks.requests) - (webhooks.requests['delivered'] ?? 0)),
      retriesPerSecond: rate(({ webhooks }) => webhooks.retries),
      inFlight: later.webhooks.inFlight,
      waiting: later.webhooks.waiting,
    },
    subscriptions: countsByState(later),
    process: {
      residentBytes: later.process.residentBytes,
      cpuShare: rate(({ process: { cpuSeconds } }) => cpuSeconds),
      openFiles: later.process.openFiles,
      openFilesMax: later.process.openFilesMax,
    },
    disk: later.storage,
    slowConsumers: later.readers.slowest,
    failingEndpoints: later.subscriptions.failing,
  };
}

function latencies(later: HubStatus, before: HubStatus | undefined): TopSample['latencyMs'] {
  const quantiles = (name: keyof HubStatus['latency']): Quantiles => {
    const durations: Distribution = difference(later.latency[name], before?.latency[name]);
    return { p50: quantileMs(durations, 0.5), p99: quantileMs(durations, 0.99) };
  };
  return {
    publishToDurable: quantiles('publishToDurable'),
    publishToWrite: quantiles('publishToWrite'),
    webhook: quantiles('webhook'),
    eventLoopDelay: quantiles('eventLoopDelay'),
  };
}

function lagOf({ readers, log, subscriptions: { states } }: HubStatus): TopSample['lag'] {
  // A paused subscription lags because an operator wants it to.
  const running = [states['active'], states['suspended'], states['pending']].filter((state) => state !== undefined);
  return {
    readerEventsMax: readers.lagEventsMax,
    subscriptionEventsMax: Math.max(0, ...running.map(({ lagEventsMax }) => lagEventsMax)),
    subscriptionSecondsMax: Math.max(0, ...running.map(({ lagSecondsMax }) => lagSecondsMax)),
    queueBytes: log.queueBytes,
  };
}

function countsByState({ subscriptions: { states } }: HubStatus): Record<string, number> {
  return Object.fromEntries(Object.entries(states).map(([state, { count }]) => [state, count]));
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
