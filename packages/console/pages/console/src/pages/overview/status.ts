import type { HubInCluster } from '../../hub/session.ts';

/** The part of `GET /v1/status` that the console shows. */
export interface HubStatus {
  readonly ready: boolean;
  readonly why: string | null;
  readonly problems: readonly string[];
  readonly version: string;
  readonly nodeVersion: string;
  readonly time: string;
  readonly started: string;
  readonly uptimeSeconds: number;
  readonly process: {
    readonly residentBytes: number;
    readonly openFiles: number | null;
    readonly openFilesMax: number | null;
  };
  readonly log: {
    readonly events: number;
    readonly channels: number;
    readonly cursor: string;
    readonly queueBytes: number;
    readonly queueBytesMax: number;
  };
  readonly storage: {
    readonly folder: string | null;
    readonly databaseBytes: number;
    readonly freeBytes: number | null;
    readonly sizeBytes: number | null;
  };
  readonly sessions: Readonly<Record<string, number>>;
  readonly readers: { readonly count: number; readonly lagEventsMax: number };
  readonly subscriptions: {
    readonly states: Readonly<Record<string, { readonly count: number; readonly lagSecondsMax: number }>>;
    readonly failing: readonly {
      readonly id: string;
      readonly state: string;
      readonly url: string | null;
      readonly since: string;
    }[];
  };
  readonly limits: { readonly connectionsMax: number; readonly channelsMax: number };
  readonly certificate: { readonly expires: string } | null;
  readonly cluster?: HubInCluster;
}

/** `GET /v1/status/history`, with times as milliseconds. */
export interface StatusHistory {
  readonly stepSeconds: number;
  readonly times: readonly number[];
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
  /** The hub of a cluster whose history it is. */
  readonly cluster?: HubInCluster;
}

/** The same as the hub sends it. */
export interface StatusHistoryAnswer extends Omit<StatusHistory, 'times'> {
  readonly times: readonly string[];
}

/** Adds newer steps of the same hub. A step that both have is taken from the newer answer. */
export function mergeHistory(
  known: StatusHistory | undefined,
  answer: StatusHistoryAnswer,
  sinceMs: number,
): StatusHistory {
  const times = answer.times.map((time) => Date.parse(time));
  const firstNew = times[0] ?? Infinity;
  const isSame = known?.stepSeconds === answer.stepSeconds && known.cluster?.hub === answer.cluster?.hub;
  const kept = isSame ? known : undefined;
  const indices = (kept?.times ?? []).flatMap((time, index) => (time >= sinceMs && time < firstNew ? [index] : []));
  const valuesOf = (name: string, newer: readonly (number | null)[]): readonly (number | null)[] => [
    ...indices.map((index) => kept?.values[name]?.[index] ?? null),
    ...newer,
  ];
  return {
    stepSeconds: answer.stepSeconds,
    times: [...indices.map((index) => kept?.times[index] ?? 0), ...times],
    values: Object.fromEntries(Object.entries(answer.values).map(([name, newer]) => [name, valuesOf(name, newer)])),
    ...(answer.cluster && { cluster: answer.cluster }),
  };
}

/** The sum of a series over the last milliseconds. */
export function sumSince({ times, values }: StatusHistory, name: string, sinceMs: number): number {
  return times.reduce((sum, time, index) => (time >= sinceMs ? sum + (values[name]?.[index] ?? 0) : sum), 0);
}

/**
 * The history with the connections of the status as its newest ones: the chart and the number above
 * it show the same sample. The history's own is up to a step older.
 */
export function withConnections(history: StatusHistory, { sessions, cluster }: HubStatus): StatusHistory {
  if (history.times.length === 0 || history.cluster?.hub !== cluster?.hub) return history;
  const values = Object.entries(history.values).map(([name, series]) => [
    name,
    name.startsWith(SESSIONS) ? [...series.slice(0, -1), sessions[name.slice(SESSIONS.length)] ?? 0] : series,
  ]);
  return { ...history, values: Object.fromEntries(values) as StatusHistory['values'] };
}

const SESSIONS = 'sessions.';

/** The newest values of a series, the last one last; fewer where the series is shorter. */
export function newest({ values }: StatusHistory, name: string, count: number): readonly number[] {
  return (values[name] ?? []).filter((value) => value !== null).slice(-count);
}
