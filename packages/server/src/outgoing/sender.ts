import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import type { Refusal, Sender } from '../subscriptions/state/sender.ts';
import { ConnectionPool, type ConnectionBounds } from './connection-pool.ts';
import { Connector, type Dial } from './connector.ts';
import { Deadlines } from './deadlines.ts';
import { Destinations, type DestinationSettings } from './destinations/destinations.ts';
import { Exchange, type ExchangeEvents, type Target } from './exchange.ts';
import { isHttpClientLoaded, loadHttpClient } from '../platform/http-client.ts';
import { createResolver, type ResolveName } from './destinations/name-resolver.ts';
import type { OutgoingError } from './outgoing-error.ts';
import { portOf, parseTarget } from './destinations/parse-target.ts';
import { proxyOf, type RouteSettings } from './tunnel.ts';

export interface SenderOptions extends DestinationSettings, RouteSettings, ConnectionBounds {
  /** Requires https, except for hosts that the configuration allows by name or address. */
  readonly httpsOnly: boolean;
  /** The `user-agent` of requests that do not set one. */
  readonly userAgent: string;
  readonly resolve?: ResolveName | undefined;
  /** Certificate authorities beside the system's, in PEM. */
  readonly authorities?: readonly string[] | undefined;
  readonly dial?: Dial | undefined;
  /**
   * Called with an error that the HTTP client threw where no caller could catch it. The request in
   * question has failed.
   */
  readonly onClientError: (error: unknown) => void;
}

/** An implementation of the port `Sender`, with its own connections. */
export interface ClosableSender extends Sender {
  /** Ends all connections, and fails the requests in flight. */
  close(): Promise<void>;
}

/** Creates the sender of webhooks: it sends many small requests to addresses that others choose. */
export function createSender(options: SenderOptions): ClosableSender {
  const destinations = new Destinations(options);
  const { resolve = createResolver(options.nameServers), authorities, dial, onClientError } = options;
  const connector = new Connector({ destinations, resolve, authorities, proxy: proxyOf(options), dial, onClientError });
  const deadlines = new Deadlines();
  const onStart = (exchange: Exchange): void => deadlines.start(exchange, exchange.request.timeoutMs);
  const pool = new ConnectionPool(connector, options, onStart, onClientError);
  const events: ExchangeEvents = {
    onSettled(exchange, sent) {
      if (exchange.isStarted) deadlines.stop(exchange);
      exchange.resolve(sent);
    },
    onReleased: (exchange, isReusable) => pool.release(exchange, isReusable),
    onStale: (exchange) => pool.rerun(exchange),
  };
  const targets = new TargetCache((url) => parseTarget(url, { tlsOnly: options.httpsOnly }, destinations));
  const send: Sender['send'] = (request) =>
    new Promise((done) => {
      try {
        pool.run(new Exchange(targets.of(request.url), request, options.userAgent, events, done));
      } catch (error) {
        const { failure, message } = error as OutgoingError;
        done({ ...refusal(failure, message), answer: undefined, isPrivateAddress: false, timing: NO_TIMING });
      }
    });
  let preparation: NodeJS.Timeout | undefined;
  return {
    send: (request) => (isHttpClientLoaded() ? send(request) : loadHttpClient().then(() => send(request))),
    prepare() {
      if (isHttpClientLoaded()) return;
      // A request would report a failure.
      preparation ??= setTimeout(() => void loadHttpClient().catch(() => {}), PREPARATION_DELAY_MS).unref();
    },
    urlProblem: (url) => objectionTo(url, options.httpsOnly, destinations),
    get metrics() {
      return pool.figures;
    },
    async close() {
      clearTimeout(preparation);
      connector.close();
      await pool.close();
      deadlines.close();
    },
  };
}

/** A hub that starts, or answers a request, ends that first. Loading takes it 50 to 130 ms. */
const PREPARATION_DELAY_MS = 1000;

const NO_TIMING = {
  nameMs: undefined,
  connectMs: undefined,
  tlsMs: undefined,
  firstByteMs: undefined,
  totalMs: 0,
} as const;

/** A cache of parsed URLs. */
class TargetCache {
  readonly #memo = new BoundedCache<Target>(TARGETS_BYTES_MAX, ({ url }) => TARGET_BYTES + url.length);
  readonly #parse: (url: string) => URL;

  constructor(parse: (url: string) => URL) {
    this.#parse = parse;
  }

  /** @throws OutgoingError `url` */
  of(url: string): Target {
    const known = this.#memo.get(url);
    if (known !== undefined) return known;
    const { origin, host, pathname, search } = this.#parse(url);
    const target = { url, origin, host, path: pathname + search };
    this.#memo.set(url, target);
    return target;
  }
}

/** About 20,000 URLs of an ordinary length. */
const TARGETS_BYTES_MAX = 16 * 1024 * 1024;
const TARGET_BYTES = 300;

function objectionTo(url: string, tlsOnly: boolean, destinations: Destinations): Refusal | undefined {
  try {
    const target = parseTarget(url, { tlsOnly }, destinations);
    const port = portOf(target);
    if (destinations.mayPermit(target.hostname, port)) return undefined;
    return refusal('destination', `${target.hostname} on port ${port} must not be sent to`);
  } catch (error) {
    const { failure, message } = error as OutgoingError;
    return refusal(failure, message);
  }
}

function refusal(failure: OutgoingError['failure'], detail: string): Refusal {
  return { failure: failure === 'too_large' ? 'answer' : failure, detail };
}
