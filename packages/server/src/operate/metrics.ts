// oxlint-disable-next-line typescript/triple-slash-reference -- other projects compile this file, without the declarations
/// <reference path="./prom-client.d.ts" />
import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import { HISTOGRAMS, type HistogramName } from './histograms.ts';
import type { MetricDefinition } from './metric-definition.ts';

/**
 * The durations of a histogram so far. Example: of 12 durations 10 were at most 1 ms:
 * `{ bucketsSeconds: [0.001, 1], counts: [10, 12, 12] }`.
 */
export interface Distribution {
  /** The upper bounds of the buckets. */
  bucketsSeconds: number[];
  /** The number of durations up to each bound; the last is the number of all. */
  counts: number[];
}

/** The values of a metric at one moment, as the page shows them. */
export interface MetricReading {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Of a histogram: a value for each bucket, the sum, and the count, by `metricName`. */
  readonly values: readonly {
    readonly labels: Readonly<Partial<Record<string, string | number>>>;
    readonly value: number;
    readonly metricName?: string;
  }[];
}

export interface Metrics {
  /** Adds a duration in milliseconds to a histogram. */
  observe(histogram: HistogramName, durationMs: number): void;
  /** Adds the metrics of other parts to the page, before the histograms. Called once. */
  register(definitions: readonly MetricDefinition[]): void;
  distribution(histogram: HistogramName): Promise<Distribution>;
  text(): Promise<string>;
  /** The metrics of the page, for a protocol that pushes them. */
  readings(): Promise<readonly MetricReading[]>;
  readonly contentType: string;
}

/**
 * Creates the `/metrics` page. Counts on the hot path are plain numbers, read only when the page is
 * requested.
 */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const kinds = new Map<string, MetricReading['kind']>();
  const histograms: Readonly<Record<HistogramName, DurationHistogram>> = {
    publishToDurable: new DurationHistogram('publishToDurable'),
    publishToWrite: new DurationHistogram('publishToWrite'),
    webhook: new DurationHistogram('webhook'),
    eventLoopDelay: new DurationHistogram('eventLoopDelay'),
  };
  return {
    observe: (histogram, durationMs) => histograms[histogram].observe(durationMs / 1000),
    async distribution(histogram) {
      const { values } = await histograms[histogram].metric.get();
      const counts = values.filter(({ labels }) => labels.le !== undefined).map(({ value }) => value);
      return { bucketsSeconds: [...HISTOGRAMS[histogram].bucketsSeconds], counts };
    },
    register(definitions) {
      for (const definition of definitions) {
        kinds.set(definition.name, definition.kind);
        register(definition, registry);
      }
      for (const histogram of Object.values(histograms)) registry.registerMetric(histogram.metric);
    },
    text: () => registry.metrics(),
    async readings() {
      const metrics = await registry.getMetricsAsJSON();
      return metrics.map(({ name, help, values }) => ({ name, help, values, kind: kinds.get(name) ?? 'histogram' }));
    },
    contentType: registry.contentType,
  };
}

/** Durations that wait for the code of prom-client, at most. */
const WAITING_MAX = 256;

/**
 * A histogram of durations. They wait until there are many, or until somebody reads them. In a row,
 * the code of prom-client takes far less CPU time than between two events.
 */
class DurationHistogram {
  readonly metric: Histogram;
  readonly #waiting = new Float64Array(WAITING_MAX);
  #count = 0;

  constructor(histogram: HistogramName) {
    const { name, help, bucketsSeconds } = HISTOGRAMS[histogram];
    const collect = (): void => this.#addWaiting();
    this.metric = new Histogram({ name, help, buckets: [...bucketsSeconds], registers: [], collect });
  }

  observe(seconds: number): void {
    this.#waiting[this.#count++] = seconds;
    if (this.#count === WAITING_MAX) this.#addWaiting();
  }

  #addWaiting(): void {
    for (let index = 0; index < this.#count; index++) this.metric.observe(this.#waiting[index] as number);
    this.#count = 0;
  }
}

function register(definition: MetricDefinition, registry: Registry): void {
  const { name, help, kind } = definition;
  const labelNames =
    'rows' in definition ? definition.labels : definition.label === undefined ? [] : [definition.label];
  const collect = async function (this: Gauge | Counter): Promise<void> {
    const rows = 'rows' in definition ? definition.rows() : asRows(await definition.read());
    this.reset();
    // A reset sets a metric without labels to 0.
    if (labelNames.length === 0) this.remove();
    for (const [values, count] of rows) {
      const labels = Object.fromEntries(labelNames.map((label, index) => [label, values[index] ?? '']));
      if (this instanceof Gauge) this.set(labels, count);
      else this.inc(labels, count);
    }
  };
  const options = { name, help, labelNames: [...labelNames], registers: [registry], collect };
  if (kind === 'gauge') new Gauge(options);
  else new Counter(options);
}

function asRows(values: Readonly<Record<string, number>>): (readonly [readonly string[], number])[] {
  return Object.entries(values).map(([value, count]) => [[value], count]);
}
