import * as z from 'zod';
import { field, integerField } from '../../settings/field.ts';

/** The settings of `telemetry`. */
export const telemetry = {
  endpoint: field(
    z
      .string()
      .max(2000)
      .refine(isEndpoint, 'must be an http or https URL without query and fragment: `http://collector:4318`')
      .nullable()
      .default(null),
    {
      form: 'URL or null',
      doc: 'The OTLP endpoint (HTTP with JSON) that receives traces at `/v1/traces` and metrics at `/v1/metrics`. The hub sends to this address as it is: `outgoing` does not apply to it. `OTEL_EXPORTER_OTLP_ENDPOINT` sets it too. With null the hub loads no module of OpenTelemetry.',
      why: 'Off: a hub sends data about itself only where its operator configures it.',
    },
  ),
  traces: field(z.boolean().default(true), {
    form: '`true` or `false`',
    doc: 'With an endpoint: the hub records spans of publishes, of webhook requests and of pulls.',
    why: 'An endpoint that is set is meant to receive them.',
  }),
  metrics: field(z.boolean().default(true), {
    form: '`true` or `false`',
    doc: 'With an endpoint: the hub sends all metrics of `/metrics` every `telemetry.metricsIntervalMs`.',
    why: 'An endpoint that is set is meant to receive them.',
  }),
  headers: field(
    z
      .record(
        z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/),
        z
          .string()
          .max(4096)
          .regex(/^[\t\x20-\x7e]*$/),
      )
      .default({}),
    {
      form: 'map of header names to values',
      doc: 'Headers of each request to the endpoint, such as `Authorization`. The hub never logs them.',
      why: 'A collector on the same machine needs none.',
    },
  ),
  serviceName: field(z.string().min(1).max(255).default('polycast'), {
    form: 'text of 1 to 255 characters',
    doc: 'The resource attribute `service.name`.',
    why: 'The name of the program. A site with several hubs gives each its own.',
  }),
  resourceAttributes: field(z.record(z.string().min(1).max(255), z.string().max(1000)).default({}), {
    form: 'map of names to texts',
    doc: 'Further attributes of the resource, such as `deployment.environment.name`.',
    why: 'The hub knows only its own version and host name.',
  }),
  sampleRatio: field(z.number().min(0).max(1).default(1), {
    form: 'number, 0 to 1',
    doc: 'The share of publishes that begin a trace, among those of publishers without a trace context, and of users and anonymous clients. A server that sends a context decides itself, by its flag `sampled`.',
    why: 'Everything is visible at first. A busy site lowers it: a span takes some 10 µs and 500 bytes.',
  }),
  metricsIntervalMs: integerField(
    { unit: 'milliseconds', min: 1000, max: 3_600_000, default: 60_000 },
    {
      doc: 'The time between two pushes of the metrics.',
      why: 'The default of OpenTelemetry, and of most scrapers of Prometheus.',
    },
  ),
  spansDelayMs: integerField(
    { unit: 'milliseconds', min: 10, max: 60_000, default: 5000 },
    {
      doc: 'The longest time that an ended span waits for others before the hub sends them.',
      why: 'The default of OpenTelemetry.',
    },
  ),
  spansQueueMax: integerField(
    { unit: 'spans', min: 512, max: 1_000_000, default: 8192 },
    {
      doc: 'Ended spans that may wait for the endpoint. The hub drops further ones, and counts them in `polycast_telemetry_spans_total`.',
      why: 'Some 10 MB, or a second of 8,000 traced events while the endpoint does not answer.',
    },
  ),
  timeoutMs: integerField(
    { unit: 'milliseconds', min: 100, max: 60_000, default: 10_000 },
    {
      doc: 'The deadline of a request to the endpoint, with its repetitions. After it, its spans are dropped, and counted.',
      why: 'The default of OpenTelemetry.',
    },
  ),
};

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' && url.search === '' && url.hash === '';
}
