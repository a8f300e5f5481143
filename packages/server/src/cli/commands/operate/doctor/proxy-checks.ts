import WebSocket from 'ws';
import type { HubStatus } from '../../../../operate/hub-status.ts';
import { authorization, type HubAddress } from '../../../hub-address.ts';
import { requestHub } from '../../../hub-request.ts';
import { formatDuration, formatMs } from '../../../quantities.ts';
import { fail, ok, skipped, warn, type Check, type Finding } from './finding.ts';

/** A channel for probes: nothing is ever published there. */
const PROBE = '/v1/events?channel=polycast-doctor';
/** The first bytes of a stream come immediately. A proxy that buffers holds them back. */
const FIRST_BYTES_TIMEOUT_MS = 5000;
const FIRST_BYTES_WARN_MS = 1000;
const STATUS_TIMEOUT_MS = 10_000;
const BUFFERING_ADVICE =
  'The proxy holds the stream back. nginx: proxy_buffering off; others: turn buffering and compression of text/event-stream off. docs/guides/deployment.md has both.';

/** Looks at the hub through the proxy of its public URL. */
export const proxy: Check = async ({ hub, through, holdMs }) => {
  if (through === undefined)
    return [skipped('proxy', 'not tried', 'Give the public URL: --through https://hub.example')];
  const outside: HubAddress = { ...hub, url: through };
  let first = await firstBytes(outside);
  // Once, a busy machine may be the reason. A proxy that holds streams back does it again.
  if (first.finding.result === 'warn') first = await firstBytes(outside);
  return [
    ...(await forwarding(outside)),
    first.finding,
    ...(first.works ? await hold(outside, holdMs) : []),
    await webSocket(outside),
  ];
};

/** The address of clients that the hub sees behind the proxy. */
async function forwarding(outside: HubAddress): Promise<readonly Finding[]> {
  try {
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
    const status = (await requestHub(outside, 'GET', '/v1/status', undefined, {}, undefined, signal)) as HubStatus;
    const { address, forwarded } = status.caller;
    if (!forwarded)
      return [
        warn(
          'proxy address',
          `the hub sees ${address}; the proxy forwards no address`,
          'Let it set X-Forwarded-For, and name it in trustedProxies: otherwise all clients share one quota.',
        ),
      ];
    if (status.limits.trustedProxies === 0)
      return [
        warn(
          'proxy address',
          `the hub sees ${address}, and ignores the forwarded address`,
          `Name the proxy: trustedProxies: ["${address}"]. Otherwise all clients share one quota.`,
        ),
      ];
    return [ok('proxy address', `the hub sees ${address}, from the header of a trusted proxy`)];
  } catch (error) {
    return [
      fail('proxy address', (error as Error).message, 'Is the public URL right, and does the proxy pass /v1/ on?'),
    ];
  }
}

interface FirstBytes {
  readonly works: boolean;
  readonly finding: Finding;
}

/** Opens an event stream and measures when its first bytes come. */
async function firstBytes(outside: HubAddress): Promise<FirstBytes> {
  const startedMs = performance.now();
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), FIRST_BYTES_TIMEOUT_MS);
  let isOpen = false;
  try {
    const reader = await openStream(outside, controller.signal);
    isOpen = true;
    await reader.read();
    return { works: true, finding: firstBytesFinding(performance.now() - startedMs) };
  } catch (error) {
    return { works: false, finding: noBytesFinding(error, isOpen || controller.signal.aborted, startedMs) };
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

function firstBytesFinding(elapsedMs: number): Finding {
  const measured = `the first bytes of an event stream came after ${formatMs(elapsedMs)}`;
  return elapsedMs > FIRST_BYTES_WARN_MS
    ? warn('proxy stream', measured, BUFFERING_ADVICE)
    : ok('proxy stream', measured);
}

/** @param isHeldBack the proxy has taken the request, and passes no bytes of the answer on */
function noBytesFinding(error: unknown, isHeldBack: boolean, startedMs: number): Finding {
  if (!isHeldBack)
    return fail('proxy stream', messageOf(error), 'Is the public URL right, and does the proxy pass /v1/ on?');
  return fail(
    'proxy stream',
    `no byte of an event stream within ${formatMs(performance.now() - startedMs)}`,
    BUFFERING_ADVICE,
  );
}

/** Keeps a quiet stream open: proxies close connections without traffic, often after 60 seconds. */
async function hold(outside: HubAddress, holdMs: number): Promise<readonly Finding[]> {
  if (holdMs === 0)
    return [skipped('proxy timeouts', 'not tried', 'Keep a quiet stream open for longer than the timeout: --hold 90')];
  const controller = new AbortController();
  const startedMs = performance.now();
  const timer = setTimeout(() => controller.abort(), holdMs);
  try {
    const reader = await openStream(outside, controller.signal);
    while (!(await reader.read()).done);
  } catch {
    if (controller.signal.aborted)
      return [ok('proxy timeouts', `a quiet stream stayed open for ${formatDuration(holdMs / 1000)}`)];
  } finally {
    clearTimeout(timer);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return [
    fail(
      'proxy timeouts',
      `a quiet stream ended after ${formatDuration(seconds)}`,
      'Raise the read timeout of the proxy (nginx: proxy_read_timeout) above delivery.heartbeatMs, or lower delivery.heartbeatMs.',
    ),
  ];
}

async function openStream(outside: HubAddress, signal: AbortSignal): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const headers = { ...authorization(outside), accept: 'text/event-stream' };
  const response = await fetch(outside.url + PROBE, { headers, signal, redirect: 'error' });
  if (!response.ok || response.body === null) throw new Error(`the response was ${response.status}`);
  const mediaType = response.headers.get('content-type') ?? 'none';
  if (!mediaType.startsWith('text/event-stream')) throw new Error(`the response has the media type ${mediaType}`);
  return response.body.getReader();
}

/** Whether the proxy passes on the upgrade to a WebSocket. */
function webSocket(outside: HubAddress): Promise<Finding> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const url = outside.url.replace(/^http/, 'ws') + PROBE;
    const socket = new WebSocket(url, 'polycast.v1', {
      headers: authorization(outside),
      handshakeTimeout: FIRST_BYTES_TIMEOUT_MS,
    });
    const end = (finding: Finding): void => {
      socket.terminate();
      resolve(finding);
    };
    socket.on('message', () => end(ok('proxy websocket', `open after ${formatMs(performance.now() - startedMs)}`)));
    socket.on('error', (error) =>
      end(
        warn(
          'proxy websocket',
          error.message,
          'Clients fall back to event streams. nginx: proxy_http_version 1.1, and the headers Upgrade and Connection; docs/guides/deployment.md has them.',
        ),
      ),
    );
  });
}

function messageOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? `${message}: ${(cause as NodeJS.ErrnoException).code ?? cause.message}` : message;
}
