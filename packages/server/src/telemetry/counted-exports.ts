import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Context } from '@opentelemetry/api';
import type { EndpointReport } from './endpoint-report.ts';
import type { TelemetryStats } from '../operate/telemetry-metrics.ts';

/**
 * Bounds and counts the spans that wait for the endpoint. The processor of OpenTelemetry drops
 * spans beyond its own bound silently. So this one precedes it, with a smaller bound.
 */
export class CountedSpans implements SpanProcessor {
  readonly #inner: SpanProcessor;
  readonly #stats: TelemetryStats;
  readonly #pendingMax: number;

  constructor(inner: SpanProcessor, stats: TelemetryStats, pendingMax: number) {
    this.#inner = inner;
    this.#stats = stats;
    this.#pendingMax = pendingMax;
  }

  onStart(span: Span, parent: Context): void {
    this.#inner.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if (this.#stats.spansPending >= this.#pendingMax) {
      this.#stats.spansOverflowed++;
      return;
    }
    this.#stats.spansPending++;
    this.#inner.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}

/** Counts the spans that the endpoint has taken, and those that it has not. */
export class CountedExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #stats: TelemetryStats;
  readonly #report: EndpointReport;

  constructor(inner: SpanExporter, stats: TelemetryStats, report: EndpointReport) {
    this.#inner = inner;
    this.#stats = stats;
    this.#report = report;
  }

  export(spans: ReadableSpan[], onResult: Parameters<SpanExporter['export']>[1]): void {
    this.#inner.export(spans, (result) => {
      this.#stats.spansPending -= spans.length;
      if (isSuccess(result)) this.#stats.spansSent += spans.length;
      else this.#stats.spansFailed += spans.length;
      this.#report.onResult(result);
      onResult(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}

function isSuccess({ code }: { readonly code: number }): boolean {
  return code === 0;
}

/** An exporter that counts its pushes, and reports when the endpoint begins and ends to fail. */
export function countedMetrics(
  exporter: PushMetricExporter,
  stats: TelemetryStats,
  report: EndpointReport,
): PushMetricExporter {
  return {
    export(metrics, onResult) {
      exporter.export(metrics, (result) => {
        if (result.code === 0) stats.metricsSent++;
        else stats.metricsFailed++;
        report.onResult(result);
        onResult(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}
