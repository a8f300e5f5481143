import { Agent, errors, type Dispatcher } from 'undici';
import { createConnector, systemResolve, type Resolve } from './connector.ts';
import { Destinations, type DestinationSettings } from './destinations.ts';
import { OutgoingError } from './outgoing-error.ts';

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

export interface GuardOptions extends DestinationSettings {
  readonly resolve?: Resolve;
  readonly authorities?: readonly string[];
}

/** At once, to one origin; more requests wait. */
const CONNECTIONS_MAX = 16;

export function createGuardedFetch({ resolve = systemResolve, authorities, ...settings }: GuardOptions): GuardedFetch {
  const destinations = new Destinations(settings);
  const { connector, close } = createConnector({ destinations, resolve, authorities });
  const agent = new Agent({ connect: connector, connections: CONNECTIONS_MAX });
  return {
    async fetch(url, request) {
      const target = targetOf(url, request, destinations);
      const overdue = new AbortController();
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        late.reject(new OutgoingError('timeout', `${target.host} did not answer within ${request.timeoutMs} ms`));
        overdue.abort();
      }, request.timeoutMs);
      try {
        // The signal is looked at only once there is a connection.
        return await Promise.race([exchange(agent, target, request, overdue.signal), late.promise]);
      } catch (error) {
        throw failureOf(error, target);
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => {
      close();
      return agent.destroy();
    },
  };
}

function targetOf(url: string, { tlsOnly = false }: OutgoingRequest, destinations: Destinations): URL {
  const target = URL.parse(url);
  if (target === null || (target.protocol !== 'http:' && target.protocol !== 'https:'))
    throw new OutgoingError('url', 'it is no http or https URL');
  if (target.username !== '' || target.password !== '')
    throw new OutgoingError('url', 'it has a user name or a password');
  const isOpen =
    target.protocol === 'https:' || !tlsOnly || destinations.trusts(target.hostname, Number(target.port || 80));
  if (!isOpen) throw new OutgoingError('url', 'it must be https: whoever is on the way could change the answer');
  return target;
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
    drop(answer.body);
    throw new OutgoingError('answer', `${target.host} answered in an encoding that was not asked for`);
  }
  return { status, headers: received, body: await bounded(answer, bytesMax, target) };
}

async function bounded({ headers, body }: Dispatcher.ResponseData, bytesMax: number, target: URL): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const tooLarge = (): OutgoingError => {
    drop(body);
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
function drop(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined).destroy();
}

const CERTIFICATE_ERROR = /^(?:ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO$|ERR_SSL_)/;

function failureOf(error: unknown, { host }: URL): OutgoingError {
  if (error instanceof OutgoingError) return error;
  if (error instanceof AggregateError && error.errors[0] instanceof OutgoingError) return error.errors[0];
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new OutgoingError('answer', `${host} did not answer as HTTP`, error);
  if (error instanceof errors.ResponseContentLengthMismatchError)
    return new OutgoingError('answer', `${host} did not send what it announced`, error);
  const { code = '' } = error as NodeJS.ErrnoException;
  return CERTIFICATE_ERROR.test(code)
    ? new OutgoingError('certificate', `${host} has no certificate that is trusted here`, error)
    : new OutgoingError('connection', `${host} could not be reached, or went away`, error);
}
