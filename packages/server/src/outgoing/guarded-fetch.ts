import type { Agent, Dispatcher } from 'undici';
import { Connector } from './connector.ts';
import { Destinations, type DestinationSettings } from './destinations/destinations.ts';
import { createResolver, resolveBySystem, type ResolveName } from './destinations/name-resolver.ts';
import { exchangeFailure, OutgoingError } from './outgoing-error.ts';
import { loadHttpClient } from '../platform/http-client.ts';
import { parseTarget } from './destinations/parse-target.ts';
import { proxyOf, type RouteSettings } from './tunnel.ts';

export interface OutgoingRequest {
  /** @default GET */
  readonly method?: 'GET' | 'POST' | 'OPTIONS' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** The deadline of the whole request, from the name look-up to the last byte. Milliseconds. */
  readonly timeoutMs: number;
  /** The bound on the body of an answer. */
  readonly bytesMax: number;
  /** Requires https, except for hosts that the configuration allows by name or address. */
  readonly tlsOnly?: boolean;
}

/** An answer of any status. Redirects are not followed. */
export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Sends requests to addresses that others may choose. Every address is checked before the
 * connection.
 */
export interface GuardedFetch {
  /** Sends a request. Rejects with OutgoingError. */
  fetch(url: string, request: OutgoingRequest): Promise<OutgoingAnswer>;
  /** Ends all connections, with their requests. */
  close(): Promise<void>;
}

export interface GuardedFetchOptions extends DestinationSettings, RouteSettings {
  readonly resolve?: ResolveName;
  readonly authorities?: readonly string[];
  /** Called with an error that the HTTP client threw where no caller could catch it. */
  readonly onClientError: (error: unknown) => void;
}

/** The bound on connections to one origin. Further requests wait. */
const CONNECTIONS_MAX = 16;

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const destinations = new Destinations(options);
  const { nameServers, authorities } = options;
  const { resolve = nameServers.length === 0 ? resolveBySystem : createResolver(nameServers) } = options;
  const onClientError = (error: unknown): void => {
    options.onClientError(error);
    // The state of its connections may be inconsistent.
    void agent?.destroy();
    agent = undefined;
  };
  const connector = new Connector({ destinations, resolve, authorities, proxy: proxyOf(options), onClientError });
  let agent: Agent | undefined;
  let isClosed = false;
  const openAgent = async (): Promise<Agent> => {
    const { Agent } = await loadHttpClient();
    agent ??= new Agent({ connect: connector.forUndici, connections: CONNECTIONS_MAX });
    // A closed agent rejects its requests.
    if (isClosed) await agent.destroy();
    return agent;
  };
  return {
    async fetch(url, request) {
      const target = parseTarget(url, { tlsOnly: request.tlsOnly ?? false }, destinations);
      const controller = new AbortController();
      const timeout = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        timeout.reject(new OutgoingError('timeout', `${target.host} did not answer within ${request.timeoutMs} ms`));
        controller.abort();
      }, request.timeoutMs);
      try {
        // Undici observes the signal only after there is a connection.
        const answer = openAgent().then((open) => exchange(open, target, request, controller.signal));
        return await Promise.race([answer, timeout.promise]);
      } catch (error) {
        throw exchangeFailure(error, target.host);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      isClosed = true;
      connector.close();
      await agent?.destroy();
    },
  };
}

async function exchange(
  agent: Agent,
  target: URL,
  { method = 'GET', headers = {}, body, bytesMax }: OutgoingRequest,
  signal: AbortSignal,
): Promise<OutgoingAnswer> {
  const answer = await agent.request({
    origin: target.origin,
    path: target.pathname + target.search,
    method,
    headers: { ...headers, 'accept-encoding': 'identity' },
    body: body ?? null,
    signal,
  });
  const { statusCode: status, headers: received } = answer;
  const encoding = received['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    discard(answer.body);
    throw new OutgoingError('answer', `${target.host} answered in an encoding that was not asked for`);
  }
  return { status, headers: received, body: await readBounded(answer, bytesMax, target) };
}

async function readBounded({ headers, body }: Dispatcher.ResponseData, bytesMax: number, target: URL): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const tooLarge = (): OutgoingError => {
    discard(body);
    return new OutgoingError('too_large', `${target.host} answered with more than ${bytesMax} bytes`);
  };
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw tooLarge();
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}

/** Discards an answer. Destroying the body causes an error on it, which needs a listener. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined).destroy();
}
