/**
 * Environment variables that other standards define, and the setting that each one sets. Example:
 * `OTEL_SERVICE_NAME=shop` has the effect of `POLYCAST_TELEMETRY_SERVICE_NAME=shop`. A setting that
 * is given by a name of Polycast's own, or in a file, takes precedence.
 */
export interface StandardVariable {
  readonly name: string;
  /** The path of the setting. */
  readonly path: string;
  /** The value of the setting for a text; `undefined`: the text has no effect. */
  readonly value: (text: string) => unknown;
}

/** OpenTelemetry's variables (specification: "Environment Variable Specification"). */
export const STANDARD_VARIABLES: readonly StandardVariable[] = [
  { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', path: 'telemetry.endpoint', value: asText },
  { name: 'OTEL_EXPORTER_OTLP_HEADERS', path: 'telemetry.headers', value: asMap },
  { name: 'OTEL_EXPORTER_OTLP_TIMEOUT', path: 'telemetry.timeoutMs', value: Number },
  { name: 'OTEL_SERVICE_NAME', path: 'telemetry.serviceName', value: asText },
  { name: 'OTEL_RESOURCE_ATTRIBUTES', path: 'telemetry.resourceAttributes', value: asMap },
  { name: 'OTEL_TRACES_EXPORTER', path: 'telemetry.traces', value: isExported },
  { name: 'OTEL_METRICS_EXPORTER', path: 'telemetry.metrics', value: isExported },
  { name: 'OTEL_TRACES_SAMPLER_ARG', path: 'telemetry.sampleRatio', value: Number },
  { name: 'OTEL_METRIC_EXPORT_INTERVAL', path: 'telemetry.metricsIntervalMs', value: Number },
  { name: 'OTEL_BSP_SCHEDULE_DELAY', path: 'telemetry.spansDelayMs', value: Number },
  { name: 'OTEL_BSP_MAX_QUEUE_SIZE', path: 'telemetry.spansQueueMax', value: Number },
  // The last one: it takes the endpoint away.
  { name: 'OTEL_SDK_DISABLED', path: 'telemetry.endpoint', value: (text) => (text === 'true' ? null : undefined) },
];

function asText(text: string): string {
  return text;
}

/** `a=1,b=2`, with percent-encoded values. */
function asMap(text: string): unknown {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, Math.max(at, 0)).trim(), decoded(pair.slice(at + 1).trim())];
    }),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isExported(text: string): boolean {
  return text !== 'none';
}
