import type { ReloadOutcome } from '../administration/reload-route.ts';
import type { Route } from '../auth/route.ts';
import type { Log } from '../core/ports.ts';
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
  /** `drain.timeMs` of the newest configuration. */
  readonly drainMs: number;
  /**
   * Asks all clients to reconnect, paced over `drain.timeMs`, and finishes the requests in flight.
   */
  drain(): Promise<void>;
  /** Reads the configuration again, and the certificates and keys that it names. Never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** Ends the remaining work and closes the log. */
  close(): Promise<void>;
}

/** The parts of a hub that a running one still needs. */
export interface RunningParts extends SessionPart {
  readonly log: Log;
  readonly http: HttpPart;
  readonly address: Address;
  readonly firstKey: string | undefined;
}

export function runningHub(
  { config, world: { random }, logger, shutdown, reloader }: HubBase,
  { log, http: { frontend, routes, reload }, sessions, presence, address: { url, port }, firstKey }: RunningParts,
): Hub {
  const { server } = frontend;
  let { timeMs } = config.drain;
  reloader.add(
    ({ drain }) =>
      () =>
        void (timeMs = drain.timeMs),
  );
  let closing: Promise<void> | undefined;
  return {
    url,
    port,
    routes,
    firstKey,
    get drainMs() {
      return timeMs;
    },
    async drain() {
      shutdown.drain();
      presence.freeze();
      frontend.drain();
      server.close();
      server.closeIdleConnections();
      // The owner of a hub of several processes closes later, and the others wait for outcomes.
      setTimeout(() => log.shared?.onHubCloses(), timeMs).unref();
      await Promise.all([drainSessions(sessions, timeMs, random.fraction), finishRequests(server, timeMs)]);
    },
    reload: () => reload({ kind: 'operator' }),
    close() {
      closing ??= shutdown.close().then(() => logger.info({ url }, 'closed'));
      return closing;
    },
  };
}
