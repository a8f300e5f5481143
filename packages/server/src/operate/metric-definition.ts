/**
 * A metric that another part of the hub counts. It is read only when somebody asks for the metrics:
 * by the page `/metrics`, for example.
 *
 * Names follow the conventions of Prometheus: `polycast_`, the thing, the unit (`_bytes`,
 * `_seconds`), and `_total` for counters. Labels have few values: a reason, an outcome, a kind. No
 * label is a channel or a user.
 */
export type MetricDefinition = SingleMetric | LabelledMetric;

interface MetricHeader {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
}

/** A metric with several labels, and their values. */
interface LabelledMetric extends MetricHeader {
  readonly labels: readonly string[];
  readonly rows: () => Iterable<readonly [values: readonly string[], count: number]>;
}

interface SingleMetric extends MetricHeader {
  /** By label value if there is a label, else under ''. */
  readonly read: () => MetricValues | Promise<MetricValues>;
  readonly label?: string;
}

export type MetricValues = Readonly<Record<string, number>>;

/** A distribution of durations, observed where they end. */
export interface HistogramDefinition {
  readonly name: string;
  readonly help: string;
  readonly bucketsSeconds: readonly number[];
}

/** A counter without a label. */
export function counter(name: string, help: string, read: () => number): MetricDefinition {
  return { name, help, kind: 'counter', read: () => ({ '': read() }) };
}

/** A gauge without a label. */
export function gauge(name: string, help: string, read: () => number): MetricDefinition {
  return { name, help, kind: 'gauge', read: () => ({ '': read() }) };
}

/** A gauge that is absent while its value is unknown. */
export function optionalGauge(
  name: string,
  help: string,
  read: () => number | undefined | Promise<number | undefined>,
): MetricDefinition {
  return { name, help, kind: 'gauge', read: async () => asValues(await read()) };
}

function asValues(value: number | undefined): MetricValues {
  return value === undefined ? {} : { '': value };
}
