import type { Route } from '../auth/route.ts';
import { drainSessions, finishRequests } from '../operate/drain.ts';
import type { HubBase } from './base.ts';
import type { HttpPart } from './http.ts';
import type { Address } from './listen.ts';
import type { SessionPart } from './sessions.ts';

/** A hub that listens. */
export interface Hub {
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly routes: readonly Route[];
  /** The first key of a data folder that never had one. Show it: it cannot be retrieved later. */
  readonly firstKey: string | undefined;
  /**
   * Asks all clients to reconnect, paced over `drain.timeMs`, and finishes the requests in flight.
   */
  drain(): Promise<void>;
  /** Checks at once for a new certificate. */
  reloadCertificate(): Promise<void>;
  /** Ends the remaining work and closes the log. */
  close(): Promise<void>;
}

/** The parts of a hub that a running one still needs. */
export interface RunningParts extends SessionPart {
  readonly http: HttpPart;
  readonly address: Address;
  readonly firstKey: string | undefined;
}

export function runningHub(
  { config, world: { random }, logger, shutdown }: HubBase,
  { http: { frontend, routes, certificate }, sessions, presence, address: { url, port }, firstKey }: RunningParts,
): Hub {
  const { server } = frontend;
  const { timeMs } = config.drain;
  let closing: Promise<void> | undefined;
  return {
    url,
    port,
    routes,
    firstKey,
    async drain() {
      shutdown.drain();
      presence.freeze();
      frontend.drain();
      server.close();
      server.closeIdleConnections();
      await Promise.all([drainSessions(sessions, timeMs, random.fraction), finishRequests(server, timeMs)]);
    },
    async reloadCertificate() {
      await certificate?.reload();
    },
    close() {
      closing ??= shutdown.close().then(() => logger.info({ url }, 'closed'));
      return closing;
    },
  };
}
