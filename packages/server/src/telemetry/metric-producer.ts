import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { MetricReading } from '../operate/metrics.ts';

/**
 * The metrics of `/metrics` in the form of OpenTelemetry, with the same names and labels.
 * Example: the histogram `polycast_publish_to_durable_seconds` becomes one of the unit `s`.
 */
export class HubMetricProducer implements MetricProducer {
  readonly #read: () => Promise<readonly MetricReading[]>;
  readonly #scope: { readonly name: string; readonly version: string };
  readonly #startTime: HrTime = hrTime(Date.now());

  constructor(read: () => Promise<readonly MetricReading[]>, version: string) {
    this.#read = read;
    this.#scope = { name: 'polycast', version };
  }

  async collect(): Promise<CollectionResult> {
    const readings = await this.#read();
    const times = { startTime: this.#startTime, endTime: hrTime(Date.now()) };
    const metrics = readings
      .map((reading) => metricData(reading, times))
      .filter(({ dataPoints }) => dataPoints.length > 0);
    // The reader replaces the resource by its own.
    return {
      resourceMetrics: { resource: resourceFromAttributes({}), scopeMetrics: [{ scope: this.#scope, metrics }] },
      errors: [],
    };
  }
}

type Times = Pick<DataPoint<unknown>, 'startTime' | 'endTime'>;

function metricData(reading: MetricReading, times: Times): MetricData {
  const { name, help } = reading;
  const common = {
    descriptor: { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  switch (reading.kind) {
    case 'histogram':
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramPoints(reading, times) };
    case 'counter':
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points(reading, times) };
    case 'gauge':
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: points(reading, times) };
  }
}

function points({ values }: MetricReading, times: Times): DataPoint<number>[] {
  return values.map(({ labels, value }) => ({ ...times, attributes: labels, value }));
}

/**
 * A page of Prometheus has a line for each bucket, with the count of all values up to its bound.
 */
function histogramPoints({ name, values }: MetricReading, times: Times): DataPoint<Histogram>[] {
  const buckets = values.filter(({ metricName }) => metricName === `${name}_bucket`);
  const valueOf = (suffix: string): number => values.find(({ metricName }) => metricName === name + suffix)?.value ?? 0;
  const bounds = buckets.map(({ labels }) => Number(labels['le'])).filter((bound) => Number.isFinite(bound));
  const counts = buckets.map(({ value }, index) => value - (buckets[index - 1]?.value ?? 0));
  const value = { buckets: { boundaries: bounds, counts }, sum: valueOf('_sum'), count: valueOf('_count') };
  const attributes: Attributes = {};
  return [{ ...times, attributes, value }];
}

/** The unit by the suffix of a name, in the form of UCUM. */
function unitOf(name: string): string {
  if (/_seconds(?:_total)?$/.test(name)) return 's';
  return /_bytes(?:_total)?$/.test(name) ? 'By' : '';
}

function hrTime(epochMs: number): HrTime {
  return [Math.floor(epochMs / 1000), (epochMs % 1000) * 1_000_000];
}
