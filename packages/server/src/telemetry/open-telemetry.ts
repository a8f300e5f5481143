import { ROOT_CONTEXT, type Tracer } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { hostname } from 'node:os';
import type { MetricReading } from '../operate/metrics.ts';
import { CountedExporter, countedMetrics, CountedSpans } from './counted-exports.ts';
import { EndpointReport, type TelemetryLogger } from './endpoint-report.ts';
import { HubMetricProducer } from './metric-producer.ts';
import type { TelemetryStats } from '../operate/telemetry-metrics.ts';

/**
 * Telemetry is what the hub sends about itself by OTLP, the protocol of OpenTelemetry: spans and
 * metrics. This folder is loaded only when an endpoint is configured.
 */
export interface TelemetryOptions {
  readonly endpoint: string;
  readonly traces: boolean;
  readonly metrics: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampleRatio: number;
  readonly metricsIntervalMs: number;
  readonly spansDelayMs: number;
  readonly spansQueueMax: number;
  readonly timeoutMs: number;
  readonly version: string;
  readonly logger: TelemetryLogger;
  readonly stats: TelemetryStats;
  /** Reads all metrics of the hub. */
  readonly readMetrics: () => Promise<readonly MetricReading[]>;
}

export interface OpenTelemetry {
  /** `undefined` without traces. */
  readonly tracer: Tracer | undefined;
  /** Whether the sample has a trace. */
  isInSample(traceId: string): boolean;
  /** Sends the spans and the metrics of the last seconds, within a deadline. */
  close(): Promise<void>;
}

/** Spans of one request to the endpoint. */
const BATCH_MAX = 512;
/** Requests with spans or metrics at the same time. */
const REQUESTS_MAX = 4;
/** What the hub waits for the endpoint at its end. */
const CLOSE_TIMEOUT_MS = 2000;

export function openTelemetry(options: TelemetryOptions): OpenTelemetry {
  const resource = hubResource(options);
  const sampler = new TraceIdRatioBasedSampler(options.sampleRatio);
  const traces = options.traces ? openTraces(options, resource, sampler) : undefined;
  const meters = options.metrics ? openMetrics(options, resource) : undefined;
  return {
    tracer: traces?.getTracer('polycast', options.version),
    isInSample: (traceId) =>
      sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED,
    async close() {
      const closing = Promise.allSettled([traces?.shutdown(), meters?.shutdown()]);
      const { promise: timeout, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      await Promise.race([closing, timeout]);
      clearTimeout(timer);
    },
  };
}

function openTraces(options: TelemetryOptions, resource: Resource, root: TraceIdRatioBasedSampler): TracerProvider {
  const { stats, spansQueueMax } = options;
  const report = new EndpointReport(options.logger, 'spans', options.endpoint);
  const processor = new BatchSpanProcessor({
    exporter: new CountedExporter(new OTLPTraceExporter(requestOptions(options, 'traces')), stats, report),
    maxExportBatchSize: BATCH_MAX,
    scheduledDelayMillis: options.spansDelayMs,
    // Larger than the bounds in front of it and behind it, so that those decide, which count.
    maxQueueSize: spansQueueMax + BATCH_MAX,
    exportTimeoutMillis: options.timeoutMs + 1000,
  });
  return new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root }),
    spanProcessors: [new CountedSpans(processor, stats, spansQueueMax)],
  });
}

function openMetrics(options: TelemetryOptions, resource: Resource): MeterProvider {
  const report = new EndpointReport(options.logger, 'metrics', options.endpoint);
  const exporter = new OTLPMetricExporter(requestOptions(options, 'metrics'));
  const reader = new PeriodicExportingMetricReader({
    exporter: countedMetrics(exporter, options.stats, report),
    exportIntervalMillis: options.metricsIntervalMs,
    exportTimeoutMillis: Math.min(options.timeoutMs, options.metricsIntervalMs),
    metricProducers: [new HubMetricProducer(options.readMetrics, options.version)],
  });
  return new MeterProvider({ resource, readers: [reader] });
}

function requestOptions(
  { endpoint, headers, timeoutMs }: TelemetryOptions,
  signal: 'traces' | 'metrics',
): ConstructorParameters<typeof OTLPTraceExporter>[0] {
  return {
    url: `${endpoint.replace(/\/$/, '')}/v1/${signal}`,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    concurrencyLimit: REQUESTS_MAX,
  };
}

function hubResource({ serviceName, version, resourceAttributes }: TelemetryOptions): Resource {
  return defaultResource().merge(
    resourceFromAttributes({
      'host.name': hostname(),
      'service.instance.id': `${hostname()}:${process.pid}`,
      'service.version': version,
      ...resourceAttributes,
      'service.name': serviceName,
    }),
  );
}
