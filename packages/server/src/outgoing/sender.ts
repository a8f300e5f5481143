import { Memo } from '../core/memo.ts';
import type { Refusal, Sender } from '../core/subscription/ports.ts';
import { Connections, type ConnectionBounds } from './connections.ts';
import { Connector, type Dial } from './connector.ts';
import { Deadlines } from './deadlines.ts';
import { Destinations, type DestinationSettings } from './destinations.ts';
import { Exchange, type ExchangeEvents, type Target } from './exchange.ts';
import { createResolve, type Resolve } from './names.ts';
import type { OutgoingError } from './outgoing-error.ts';
import { portOf, targetOf } from './target.ts';
import { proxyOf, type RouteSettings } from './tunnel.ts';

export interface SenderOptions extends DestinationSettings, RouteSettings, ConnectionBounds {
  /** By https alone, bar to hosts that the configuration opens by name or address. */
  readonly httpsOnly: boolean;
  /** What requests call themselves that do not say so. */
  readonly userAgent: string;
  readonly resolve?: Resolve | undefined;
  /** Authorities beside the system's, in PEM. */
  readonly authorities?: readonly string[] | undefined;
  readonly dial?: Dial | undefined;
  /** Is told of an error that the HTTP client has thrown where nobody would have caught it; the request it was about has failed. */
  readonly broken: (error: unknown) => void;
}

/** The port `Sender`, over connections of its own. */
export interface OwnSender extends Sender {
  /** Ends all connections, and fails what is under way. */
  close(): Promise<void>;
}

/** Sends webhooks: many small requests to addresses that others have named. */
export function createSender(options: SenderOptions): OwnSender {
  const destinations = new Destinations(options);
  const { resolve = createResolve(options.nameServers), authorities, dial, broken } = options;
  const connector = new Connector({ destinations, resolve, authorities, proxy: proxyOf(options), dial, broken });
  const deadlines = new Deadlines();
  const begin = (exchange: Exchange): void => deadlines.start(exchange, exchange.request.timeoutMs);
  const connections = new Connections(connector, options, begin, broken);
  const events: ExchangeEvents = {
    settled(exchange, sent) {
      if (exchange.isStarted) deadlines.stop(exchange);
      exchange.resolve(sent);
    },
    released: (exchange, isReusable) => connections.release(exchange, isReusable),
    stale: (exchange) => connections.renew(exchange),
  };
  const targets = new Targets((url) => targetOf(url, { tlsOnly: options.httpsOnly }, destinations));
  return {
    send: (request) =>
      new Promise((done) => {
        try {
          connections.take(new Exchange(targets.of(request.url), request, options.userAgent, events, done));
        } catch (error) {
          const { failure, message } = error as OutgoingError;
          done({ ...refusal(failure, message), answer: undefined, isInside: false, timing: NO_TIME });
        }
      }),
    objection: (url) => objectionTo(url, options.httpsOnly, destinations),
    get figures() {
      return connections.figures;
    },
    async close() {
      connector.close();
      await connections.close();
      deadlines.close();
    },
  };
}

const NO_TIME = {
  nameMs: undefined,
  connectMs: undefined,
  tlsMs: undefined,
  firstByteMs: undefined,
  totalMs: 0,
} as const;

/** URLs that were taken apart before. */
class Targets {
  readonly #memo = new Memo<Target>(TARGETS_BYTES_MAX, ({ url }) => TARGET_BYTES + url.length);
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

/** Some 20,000 of an ordinary length. */
const TARGETS_BYTES_MAX = 16 * 1024 * 1024;
const TARGET_BYTES = 300;

function objectionTo(url: string, tlsOnly: boolean, destinations: Destinations): Refusal | undefined {
  try {
    const target = targetOf(url, { tlsOnly }, destinations);
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
