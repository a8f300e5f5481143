import { Agent, type Dispatcher } from 'undici';
import { Connector } from './connector.ts';
import { Destinations, type DestinationSettings } from './destinations/destinations.ts';
import { createResolver, resolveBySystem, type ResolveName } from './destinations/name-resolver.ts';
import { exchangeFailure, OutgoingError } from './outgoing-error.ts';
import { parseTarget } from './destinations/parse-target.ts';
import { proxyOf, type RouteSettings } from './tunnel.ts';

export interface OutgoingRequest {
  /** @default GET */
  readonly method?: 'GET' | 'POST' | 'OPTIONS' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** For all of it: the name, the connection, the headers, and the last byte. Milliseconds. */
  readonly timeoutMs: number;
  /** The longest body of an answer that is read. */
  readonly bytesMax: number;
  /** Plain http is for hosts that the configuration opens by name or address. */
  readonly tlsOnly?: boolean;
}

/** An answer of whatever status, redirects among them: none is followed. */
export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** The one way in which the hub sends requests to addresses that somebody else may have named. */
export interface GuardedFetch {
  /** Rejects with OutgoingError. */
  fetch(url: string, request: OutgoingRequest): Promise<OutgoingAnswer>;
  /** Ends all connections, and the requests on them. */
  close(): Promise<void>;
}

export interface GuardedFetchOptions extends DestinationSettings, RouteSettings {
  readonly resolve?: ResolveName;
  readonly authorities?: readonly string[];
  /** Is told of an error that the HTTP client has thrown where nobody would have caught it. */
  readonly onClientError: (error: unknown) => void;
}

/** At once, to one origin; more requests wait. */
const CONNECTIONS_MAX = 16;

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const destinations = new Destinations(options);
  const { nameServers, authorities } = options;
  const { resolve = nameServers.length === 0 ? resolveBySystem : createResolver(nameServers) } = options;
  const onClientError = (error: unknown): void => {
    options.onClientError(error);
    // Its connections may no longer know where they stand.
    void agent.destroy();
    agent = makeAgent();
  };
  const connector = new Connector({ destinations, resolve, authorities, proxy: proxyOf(options), onClientError });
  const makeAgent = (): Agent => new Agent({ connect: connector.forUndici, connections: CONNECTIONS_MAX });
  let agent = makeAgent();
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
        // The signal is looked at only once there is a connection.
        return await Promise.race([exchange(agent, target, request, controller.signal), timeout.promise]);
      } catch (error) {
        throw exchangeFailure(error, target.host);
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => {
      connector.close();
      return agent.destroy();
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

/** Ends an answer that is not wanted; that it was cut off is then no news to anybody. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined).destroy();
}
