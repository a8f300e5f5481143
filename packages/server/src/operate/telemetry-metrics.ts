import { gauge, type MetricDefinition } from './metric-definition.ts';

/** The counts of what the hub sends about itself, since it started. */
export interface TelemetryStats {
  /** Spans that the endpoint has taken. */
  spansSent: number;
  /** Spans dropped because the queue was full. */
  spansOverflowed: number;
  /** Spans dropped because the endpoint refused them or did not answer. */
  spansFailed: number;
  /** Ended spans that wait for the endpoint. */
  spansPending: number;
  metricsSent: number;
  metricsFailed: number;
}

export function createTelemetryStats(): TelemetryStats {
  return { spansSent: 0, spansOverflowed: 0, spansFailed: 0, spansPending: 0, metricsSent: 0, metricsFailed: 0 };
}

/** The metrics of the telemetry itself. */
export function telemetryMetrics(telemetry: () => TelemetryStats): readonly MetricDefinition[] {
  return [
    {
      name: 'polycast_telemetry_spans_total',
      help: 'Ended spans: `sent` to the OTLP endpoint, or dropped because the queue was full (`overflowed`) or the endpoint did not take them (`failed`).',
      kind: 'counter',
      label: 'outcome',
      read: () => {
        const { spansSent, spansOverflowed, spansFailed } = telemetry();
        return { sent: spansSent, overflowed: spansOverflowed, failed: spansFailed };
      },
    },
    gauge(
      'polycast_telemetry_spans_pending',
      'Ended spans that wait for the OTLP endpoint.',
      () => telemetry().spansPending,
    ),
    {
      name: 'polycast_telemetry_metric_pushes_total',
      help: 'Pushes of all metrics to the OTLP endpoint.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ sent: telemetry().metricsSent, failed: telemetry().metricsFailed }),
    },
  ];
}
