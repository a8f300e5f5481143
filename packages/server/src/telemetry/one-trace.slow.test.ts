import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startHubProcess } from '../testing/hub-process.ts';
import { openOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../testing/otlp-receiver.ts';
import { waitUntil } from '../testing/subscription-hub.ts';

/** What an instrumented program begins with: the SDK of OpenTelemetry, and its propagator. */
const INSTRUMENTED = `
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
const provider = new TracerProvider({
  resource: resourceFromAttributes({ 'service.name': process.env.SERVICE }),
  spanProcessors: [new SimpleSpanProcessor({ exporter: new OTLPTraceExporter() })],
});
const tracer = provider.getTracer('test');
const propagator = new W3CTraceContextPropagator();
`;

/** Publishes one event within a span. */
const PUBLISHER = `${INSTRUMENTED}
const span = tracer.startSpan('place order', { kind: SpanKind.PRODUCER });
const headers = { 'content-type': 'application/json' };
propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
const body = JSON.stringify({ channel: 'orders', data: { order: 7 } });
const answer = await fetch(process.env.HUB + '/v1/events', { method: 'POST', headers, body });
if (answer.status !== 201) throw new Error(await answer.text());
span.end();
await provider.shutdown();
`;

/** Receives webhooks, and records a span for each. */
const WEB_SERVER = `${INSTRUMENTED}
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
  const span = tracer.startSpan('receive order', { kind: SpanKind.SERVER }, parent);
  request.resume().on('end', () => {
    response.end();
    span.end();
  });
});
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));
`;

/** Pulls events with the client library, and records a span for each. */
const WORKER = `${INSTRUMENTED}
import { work } from '@polycast/client/work';
work(process.env.HUB, process.env.QUEUE, (event, job) => {
  const parent = propagator.extract(ROOT_CONTEXT, job, defaultTextMapGetter);
  tracer.startSpan('bake order', { kind: SpanKind.CONSUMER }, parent).end();
});
`;

function start(program: string, environment: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    // Its imports are resolved from here.
    cwd: join(import.meta.dirname, '..'),
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  return child;
}

function spanNamed(receiver: OtlpReceiver, name: string): ReceivedSpan {
  const found = receiver.spans.filter((span) => span.name === name);
  expect([name, found.length]).toEqual([name, 1]);
  return found[0] as ReceivedSpan;
}

test('one trace shows the publisher, the hub, the receiver of the webhook, and the worker', async () => {
  const receiver = await openOtlpReceiver();
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const hub = await startHubProcess({
    ...otlp,
    OTEL_SERVICE_NAME: 'hub',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_METRICS_EXPORTER: 'none',
  });
  const webServer = start(WEB_SERVER, { ...otlp, SERVICE: 'warehouse' });
  const [line] = (await once(webServer.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = line.toString().trim();
  await hub.post('/v1/subscriptions', { channels: ['orders'], delivery: { kind: 'webhook', url } });
  const { id } = await hub.post('/v1/subscriptions', { channels: ['orders'], delivery: { kind: 'pull' } });
  start(WORKER, { ...otlp, SERVICE: 'oven', HUB: hub.url, QUEUE: String(id) });
  const publisher = start(PUBLISHER, { ...otlp, SERVICE: 'shop', HUB: hub.url });
  expect(await once(publisher, 'exit')).toEqual([0, null]);
  await waitUntil(() => expect(receiver.spans.map(({ name }) => name).toSorted()).toEqual(ALL_SPANS));

  const placed = spanNamed(receiver, 'place order');
  const childOf = (parent: ReceivedSpan): object => ({ traceId: placed.traceId, parentSpanId: parent.spanId });
  expect(placed).toMatchObject({ service: 'shop' });
  expect(placed.parentSpanId ?? '').toBe('');
  expect(spanNamed(receiver, 'publish')).toMatchObject({ service: 'hub', ...childOf(placed) });
  const delivered = spanNamed(receiver, 'deliver');
  expect(delivered).toMatchObject({ service: 'hub', ...childOf(placed) });
  expect(spanNamed(receiver, 'receive order')).toMatchObject({ service: 'warehouse', ...childOf(delivered) });
  const pulled = spanNamed(receiver, 'pull');
  expect(pulled).toMatchObject({ service: 'hub', ...childOf(placed) });
  expect(spanNamed(receiver, 'ack')).toMatchObject({ service: 'hub', ...childOf(pulled) });
  expect(spanNamed(receiver, 'bake order')).toMatchObject({ service: 'oven', ...childOf(placed) });
});

const ALL_SPANS = ['ack', 'bake order', 'deliver', 'place order', 'publish', 'pull', 'receive order'];
