// node load.ts '{"port":…,"pid":…,"protocol":"h2"|"http/1.1","connections":250,"streamsEach":10,…}'
// The load of the scenario http2-sse: the load generator in C++ speaks neither TLS nor HTTP/2.
// Readers parse only the heads of frames and count bytes, so that the server is measured and not
// they. All events have the same length. Prints one line of JSON.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { FrameCounter, opening } from './frames.ts';

interface Options {
  readonly port: number;
  readonly pid: number;
  readonly protocol: 'h2' | 'http/1.1';
  readonly connections: number;
  readonly streamsEach: number;
  readonly events: number;
  readonly warmUpEvents: number;
  readonly publishers: number;
  readonly eventBytes: number;
}

const options = JSON.parse(process.argv[2] as string) as Options;
const streams = options.connections * options.streamsEach;
const path = '/v1/events?channel=bench.0';
const timeoutMs = 60_000;
const quietMs = 300;
let dataBytes = 0;
let closed = 0;

const before = residentKilobytes();
const openStartMs = performance.now();
const openCpu = cpuSeconds();
for (let index = 0; index < options.connections; index++) await open();
const openSeconds = (performance.now() - openStartMs) / 1000;
const openCpuSeconds = cpuSeconds() - openCpu;
await untilQuiet();
const perStream = (residentKilobytes() - before) / streams;

const agent = new Agent({ keepAlive: true, maxSockets: options.publishers });
await run(options.warmUpEvents);
await untilQuiet();
const eventLength = (await run(1)) / streams;
const cpu = { server: cpuSeconds(), load: process.cpuUsage() };
const startMs = performance.now();
const bytes = await run(options.events, eventLength * streams * options.events);
const seconds = (performance.now() - startMs) / 1000;
const server = cpuSeconds() - cpu.server;
const load = process.cpuUsage(cpu.load);
const deliveries = Math.round(bytes / eventLength);
console.log(
  JSON.stringify({
    connections: options.connections,
    streams,
    openSeconds,
    openCpuMicrosecondsPerStream: (openCpuSeconds * 1e6) / streams,
    memoryKilobytesPerStream: perStream,
    events: options.events,
    deliveries,
    missingDeliveries: streams * options.events - deliveries,
    surplusDeliveries: 0,
    refusedPublishes: 0,
    closedConnections: closed,
    seconds,
    deliveriesPerSecond: deliveries / seconds,
    serverCpuMicrosecondsPerDelivery: (server * 1e6) / deliveries,
    serverCpuPercent: (server / seconds) * 100,
    loadCpuPercent: (load.user + load.system) / 1e4 / seconds,
    bytesPerDelivery: eventLength,
  }),
);
process.exit();

/** Opens one connection, and its streams. */
function open(): Promise<void> {
  const isHttp2 = options.protocol === 'h2';
  return new Promise((resolve, reject) => {
    const settings = { port: options.port, host: '127.0.0.1', rejectUnauthorized: false };
    const socket: TLSSocket = connect({ ...settings, ALPNProtocols: [options.protocol] }, () => {
      const counter = new FrameCounter();
      socket.on('data', (chunk: Buffer) => {
        dataBytes += isHttp2 ? counter.feed(chunk, (answer) => socket.write(answer)) : chunk.length;
      });
      socket.on('close', () => closed++);
      if (isHttp2) socket.write(opening(path, options.streamsEach));
      else socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
      resolve();
    });
    socket.on('error', reject);
  });
}

/**
 * Publishes a number of events, and waits until all have arrived, or no more arrive. Returns the
 * bytes that arrived.
 */
async function run(events: number, expectedBytes: number = Infinity): Promise<number> {
  const start = dataBytes;
  let next = 0;
  const publisher = async (): Promise<void> => {
    while (next++ < events) await publish();
  };
  await Promise.all(Array.from({ length: Math.min(options.publishers, events) }, publisher));
  if (expectedBytes === Infinity) await untilQuiet();
  const deadlineMs = performance.now() + timeoutMs;
  while (dataBytes - start < expectedBytes && expectedBytes !== Infinity && performance.now() < deadlineMs)
    await new Promise((resolve) => setImmediate(resolve));
  return dataBytes - start;
}

function publish(): Promise<void> {
  const body = `{"t":"~T0000000000000000","p":"${'x'.repeat(Math.max(0, options.eventBytes - 33))}"}`;
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const target = { port: options.port, host: '127.0.0.1', path: '/v1/channels/bench.0/events', method: 'POST' };
  return new Promise((resolve, reject) => {
    const asking = request({ ...target, headers, agent, rejectUnauthorized: false }, (answer) => {
      if (answer.statusCode !== 201) reject(new Error(`a publish was answered ${answer.statusCode}`));
      answer.resume().on('end', resolve);
    });
    asking.on('error', reject).end(body);
  });
}

/** Waits until no data has arrived for a while. */
async function untilQuiet(): Promise<void> {
  let seen: number;
  do {
    seen = dataBytes;
    await new Promise((resolve) => setTimeout(resolve, quietMs));
  } while (dataBytes !== seen);
}

/** The CPU time of the server, in all of its threads. */
function cpuSeconds(): number {
  const fields = readFileSync(`/proc/${options.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentKilobytes(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${options.pid}/status`, 'utf8'))?.[1]);
}
