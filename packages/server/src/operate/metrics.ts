import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A metric: another part of the hub counts it, and the page reads it on each request. */
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
  readonly read: () => Readonly<Record<string, number>>;
  readonly label?: string;
}

export interface Metrics {
  /** From an event's acceptance to the end of its writes, milliseconds. */
  observePublishToWrite(durationMs: number): void;
  /** From an append until it is durable, milliseconds. */
  observeCommit(durationMs: number): void;
  /** From the start of a request to an endpoint to the end of its response, milliseconds. */
  observeWebhook(durationMs: number): void;
  /** Adds the metrics of other parts to the page, before the histograms. Called once. */
  register(definitions: readonly MetricDefinition[]): void;
  text(): Promise<string>;
  readonly contentType: string;
}

const LATENCY_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

const WEBHOOK_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * Creates the `/metrics` page. Counts on the hot path are plain numbers, read only when the page is
 * requested.
 */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const publishToWrite = new Histogram({
    name: 'polycast_publish_to_write_seconds',
    help: 'Time from the acceptance of an event to the end of its writes to live readers.',
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [],
  });
  const commit = new Histogram({
    name: 'polycast_commit_seconds',
    help: 'Time from an append until the event is durable, as the publisher waits for it.',
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [],
  });
  const webhook = new Histogram({
    name: 'polycast_webhook_seconds',
    help: 'Time from the start of a request to an endpoint to the end of its answer, or to its failure.',
    buckets: WEBHOOK_BUCKETS_SECONDS,
    registers: [],
  });
  return {
    observePublishToWrite: (durationMs) => publishToWrite.observe(durationMs / 1000),
    observeCommit: (durationMs) => commit.observe(durationMs / 1000),
    observeWebhook: (durationMs) => webhook.observe(durationMs / 1000),
    register(definitions) {
      for (const definition of definitions) register(definition, registry);
      for (const histogram of [publishToWrite, commit, webhook]) registry.registerMetric(histogram);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function register(definition: MetricDefinition, registry: Registry): void {
  const { name, help, kind } = definition;
  const { labels: labelNames, rows } = 'rows' in definition ? definition : asRows(definition);
  const collect = function (this: Gauge | Counter): void {
    this.reset();
    for (const [values, count] of rows()) {
      const labels = Object.fromEntries(labelNames.map((label, index) => [label, values[index] ?? '']));
      if (this instanceof Gauge) this.set(labels, count);
      else this.inc(labels, count);
    }
  };
  const options = { name, help, labelNames: [...labelNames], registers: [registry], collect };
  if (kind === 'gauge') new Gauge(options);
  else new Counter(options);
}

function asRows({ label, read }: SingleMetric): Pick<LabelledMetric, 'labels' | 'rows'> {
  const rows = (): [readonly string[], number][] => Object.entries(read()).map(([value, count]) => [[value], count]);
  return { labels: label === undefined ? [] : [label], rows };
}
