import { PolycastError } from '@polycast/protocol';
import {
  Agent,
  request as openRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';
import type { RequestHandler } from './route.ts';
import { closeAfter } from './sockets/closing-connections.ts';

/**
 * The client that a forwarded request came from. The server of forwarded requests believes these
 * headers: they come from a process of the same user, or from a client that the brokers admit.
 */
export const PEER_ADDRESS_HEADER = 'polycast-peer-address';
export const PEER_ENCRYPTED_HEADER = 'polycast-peer-encrypted';

/** Forwards requests to another process of the hub. */
export interface RequestForwarder {
  readonly forward: RequestHandler;
  close(): void;
}

/**
 * Forwards requests to the server at a Unix socket, with their bodies as they arrive. The answer is
 * passed on unchanged.
 *
 * A request takes a connection to that server as long as it lasts, and may wait for a minute, as a
 * pull does. So there is one for each request, and no request waits for another. They are bounded
 * by the connections and streams of clients (`limits.connectionsMax`), since each of these has one
 * request here at a time.
 * @param ready resolves when the other process is there. @throws PolycastError
 */
export function createForwarder(socketPath: string, ready: () => Promise<void>): RequestForwarder {
  const agent = new Agent({ keepAlive: true });
  return {
    async forward(request, response) {
      await turnOf(response);
      await ready();
      // The client has gone: its body would never end.
      if (response.destroyed) return;
      await forwardTo({ socketPath, agent }, request, response);
    },
    close: () => agent.destroy(),
  };
}

/** Forwards one request over a connection that carries no other. @throws PolycastError */
export async function forwardOver(
  connection: Duplex,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (response.destroyed) return void connection.destroy();
  await forwardTo({ createConnection: () => connection }, request, response);
}

/**
 * Requests that a client sent behind others on its connection are forwarded when
 * those are answered.
 */
export async function turnOf(response: ServerResponse): Promise<void> {
  if (response.socket !== null || response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('socket', () => resolve());
  response.once('close', () => resolve());
  await promise;
}

function forwardTo(
  target: { readonly socketPath: string; readonly agent: Agent } | { readonly createConnection: () => Duplex },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { method = 'GET', url = '/' } = request;
  const outgoing = openRequest({ ...target, method, path: url, headers: forwardedHeaders(request) });
  outgoing.on('response', (answer) => {
    if (response.destroyed) return void answer.destroy();
    const { statusCode = 502 } = answer;
    if (!request.complete) closeAfter(response);
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.writeHead(statusCode, withoutHopHeaders(answer.rawHeaders));
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (response.headersSent) response.destroy();
    reject(failure(method, error.code ?? ''));
  });
  response.on('close', () => {
    outgoing.destroy();
    resolve();
  });
  if (request.headers.expect !== undefined && request.httpVersionMajor === 1) response.writeContinue();
  request.pipe(outgoing);
  return promise;
}

function failure(method: string, code: string): PolycastError {
  const retry = { retryAfterMs: 1000 };
  if (BUSY_CODES.has(code))
    return new PolycastError('overloaded', 'The system has no connection for this request.', retry);
  const text = 'The process that answers this request has ended.';
  return method === 'GET' || method === 'HEAD' || ABSENT_CODES.has(code)
    ? new PolycastError('log_unavailable', text, retry)
    : new PolycastError('outcome_unknown', `${text} The change may have been made.`, retry);
}

/** Nobody listens, so nobody has received the request. */
const ABSENT_CODES: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);

/**
 * No file is free, or the other process has not accepted as many connections as it
 * may leave waiting.
 */
const BUSY_CODES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EAGAIN']);

function forwardedHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  const { socket, headers } = request;
  const forwarded: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !name.startsWith(':') && !HOP_HEADERS.has(name)) forwarded[name] = value;
  if (headers['transfer-encoding'] !== undefined) forwarded['transfer-encoding'] = 'chunked';
  forwarded[PEER_ADDRESS_HEADER] = socket.remoteAddress ?? '';
  forwarded[PEER_ENCRYPTED_HEADER] = String('encrypted' in socket && socket.encrypted === true);
  return forwarded;
}

function withoutHopHeaders(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (!HOP_HEADERS.has(name.toLowerCase())) kept.push(name, rawHeaders[index + 1] as string);
  }
  return kept;
}

/** Headers about one connection (RFC 9110 section 7.6.1), and those that this file sets. */
const HOP_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  PEER_ADDRESS_HEADER,
  PEER_ENCRYPTED_HEADER,
]);
