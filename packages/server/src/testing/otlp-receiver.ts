import type { IncomingHttpHeaders } from 'node:http';
import { openWebServer } from './test-servers.ts';

/** A value of OTLP in JSON: one member, named by its type. */
type OtlpValue = Readonly<Record<string, unknown>>;

interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}

/** A span as a test compares it. */
export interface ReceivedSpan extends Omit<OtlpSpan, 'attributes'> {
  readonly service: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A point of a metric: a number, or the counts of a histogram. */
export interface ReceivedPoint {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly count?: string | number;
  readonly bucketCounts?: readonly (string | number)[];
  readonly explicitBounds?: readonly number[];
}

interface OtlpMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly sum?: OtlpPoints & { readonly isMonotonic: boolean };
  readonly gauge?: OtlpPoints;
  readonly histogram?: OtlpPoints;
}

interface OtlpPoints {
  readonly dataPoints: readonly (Omit<ReceivedPoint, 'attributes'> & {
    readonly attributes?: readonly OtlpAttribute[];
  })[];
}

export interface ReceivedMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly kind: 'sum' | 'gauge' | 'histogram';
  readonly points: readonly ReceivedPoint[];
}

interface Resource {
  readonly attributes?: readonly OtlpAttribute[];
}

/** An OTLP endpoint on this machine that keeps what it receives. */
export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** The metrics of the last push. */
  readonly metrics: readonly ReceivedMetric[];
  readonly resource: Readonly<Record<string, unknown>>;
  readonly headers: readonly IncomingHttpHeaders[];
  /** The status of its next answers. */
  status: number;
}

export async function openOtlpReceiver(): Promise<OtlpReceiver> {
  const state = {
    url: '',
    status: 200,
    spans: [] as ReceivedSpan[],
    metrics: [] as ReceivedMetric[],
    resource: {} as Record<string, unknown>,
    headers: [] as IncomingHttpHeaders[],
  };
  const { url } = await openWebServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    state.headers.push(request.headers);
    if (state.status === 200) receive(state, request.url ?? '', JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(state.status, { 'content-type': 'application/json' }).end('{}');
  });
  state.url = url;
  return state;
}

function receive(
  state: { spans: ReceivedSpan[]; metrics: ReceivedMetric[]; resource: Record<string, unknown> },
  path: string,
  body: unknown,
): void {
  if (path === '/v1/traces') {
    const { resourceSpans } = body as {
      resourceSpans: { resource: Resource; scopeSpans: { spans: OtlpSpan[] }[] }[];
    };
    for (const { resource, scopeSpans } of resourceSpans) {
      state.resource = plain(resource.attributes);
      for (const span of scopeSpans.flatMap(({ spans }) => spans))
        state.spans.push({ ...span, service: state.resource['service.name'], attributes: plain(span.attributes) });
    }
  } else if (path === '/v1/metrics') {
    const { resourceMetrics } = body as {
      resourceMetrics: { resource: Resource; scopeMetrics: { metrics: OtlpMetric[] }[] }[];
    };
    state.resource = plain(resourceMetrics[0]?.resource.attributes);
    state.metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics.map(receivedMetric)),
    );
  } else throw new Error(`OTLP has no ${path}`);
}

function receivedMetric({ name, description, unit, sum, gauge, histogram }: OtlpMetric): ReceivedMetric {
  const { dataPoints } = (sum ?? gauge ?? histogram) as OtlpPoints;
  const points = dataPoints.map((point) => ({ ...point, attributes: plain(point.attributes) }));
  const kind = sum !== undefined ? 'sum' : gauge !== undefined ? 'gauge' : 'histogram';
  return { name, description, unit, kind, points };
}

function plain(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
